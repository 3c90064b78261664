"""Nothing breaks a server: crowds, slow and silent clients, those that go, and readers that stop."""

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from http.client import HTTPConnection

import numpy as np
import pytest
from crowds import PICTURE, crowd, told
from served_files import PATIENCE, multipart, post, rest, served

from striate.ship.serve import protocol
from striate.ship.serve.limits import Limits

HEADER, BODY = 1.0, 1.5  # seconds
LIMITS = [
    *("--header-seconds", HEADER, "--body-seconds", BODY, "--bytes", 100_000, "--memory", 1_000_000),
    *("--pixels", 1_000_000, "--pictures", 4, "--queue", 16, "--connections", 60),
]


@pytest.fixture(scope="module")
def server(coloured_file, tmp_path_factory):
    with served([coloured_file, *LIMITS], tmp_path_factory.mktemp("endured")) as server:
        yield server


def test_a_thousand_at_once_are_each_answered_or_sent_away(coloured_file, tmp_path):
    with served([coloured_file, "--queue", 64], tmp_path, slow=0.05) as server:
        before = server.memory()
        everyone = crowd(server, 1000, tmp_path)
        health = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        took = []
        while everyone.poll() is None and server.process.poll() is None:
            begun = time.monotonic()
            health.request("GET", "/healthz")
            response = health.getresponse()
            assert (response.status, response.read()) == (200, b'{"status": "alive"}')
            took.append(time.monotonic() - begun)
            time.sleep(0.02)
        health.close()
        alive, answers = told(everyone, tmp_path)
        assert {status for status, _, _ in alive} == {200}
        statuses = [status for status, _, _ in answers]
        assert set(statuses) == {200, 503}, {answer for answer in map(tuple, answers) if answer[0] == 0}
        assert statuses.count(200) >= 64
        assert all(int(after or 0) >= 1 for status, _, after in answers if status == 503)
        assert server.memory("VmHWM") < before + 200  # MB
        assert np.median(took) < 0.1  # seconds
        # what so many cost, however busy the machine is; to wait for a place would take 25 seconds
        usual = np.median([took for _, took, _ in alive])
        assert np.median([took for status, took, _ in answers if status == 503]) < 1.0 + 2 * usual
        assert server.figure("striate_pictures_underway") == 0
        assert server.ask("POST", "/predict", PICTURE).status == 200


def test_who_is_sent_away_does_not_wait(coloured_file, tmp_path):
    with (
        served([coloured_file, "--queue", 2, "--pictures", 2], tmp_path) as server,
        server.held(),
        ExitStack() as clients,
    ):
        clients.enter_context(server.connect(post(PICTURE)))
        server.until(lambda: server.figure("striate_pictures_underway") == 1)
        several = server.ask("POST", "/predict", *multipart([b"no picture, which nobody looks at"] * 2, ["a", "b"]))
        assert several.status == 503
        assert "1 of 2 places are taken, and this request wants 2" in several.told["error"]
        clients.enter_context(server.connect(post(PICTURE)))
        server.until(lambda: server.figure("striate_pictures_underway") == 2)
        begun = time.monotonic()
        answer = server.ask("POST", "/predict", PICTURE)
        assert time.monotonic() - begun < 1
        assert (answer.status, int(answer.headers["retry-after"]) >= 1) == (503, True)
        assert "2 of 2 places are taken" in answer.told["error"]


def test_a_client_that_goes_takes_its_picture_with_it(coloured_file, tmp_path):
    with served([coloured_file, "--queue", 4, "--pictures", 1, "--threads", 2], tmp_path) as server:
        with server.held():
            for _ in range(3):
                with ExitStack() as clients:
                    for _ in range(4):
                        clients.enter_context(server.connect(post(PICTURE)))
                    server.until(lambda: server.figure("striate_pictures_underway") == 4)
                server.until(lambda: server.figure("striate_pictures_underway") == 0)
            # half open: it has shut its side down, as one does that is about to go
            with server.connect(post(PICTURE)) as client:
                server.until(lambda: server.figure("striate_pictures_underway") == 1)
                client.shutdown(socket.SHUT_WR)
                server.until(lambda: server.figure("striate_pictures_underway") == 0)
        assert server.ask("POST", "/predict", PICTURE).status == 200
        # the first of each thread at most, and this one; had the others not gone, 14
        assert 1 <= server.figure("striate_batch_pictures_sum") <= 3


def test_idle_connections_are_closed_also_after_an_answer_that_came_early(coloured_file, tmp_path):
    early = b"POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n"
    for begin, later, status in (
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", b"", b" 200 "),
        (early, b"rest", b" 404 "),
    ):
        with served([coloured_file], tmp_path, patience={"IDLE": 0.5}) as server:
            begun = time.monotonic()
            with server.connect(begin) as client:
                assert status in client.recv(4096)
                client.sendall(later)
                assert rest(client) == b""
            assert 0.4 < time.monotonic() - begun < 0.5 * protocol.IDLE


@pytest.mark.parametrize(
    ("begin", "drip", "seconds", "status"),
    [
        (b"", b"", HEADER, b""),
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\n", b"", HEADER, b" 408 "),
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\n", b"x-a: b\r\n", HEADER, b" 408 "),
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n", b"", BODY, b" 408 "),
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n", b"x", BODY, b" 408 "),
        (
            b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
            BODY,
            b" 408 ",
        ),
    ],
    ids=["silent", "headers stop", "headers drip", "body stops", "body drips", "chunks drip"],
)
def test_slow_clients_are_closed_in_time(server, begin, drip, seconds, status):
    begun = time.monotonic()
    with server.connect(begin) as client:
        client.settimeout(0.1)
        heard = b""
        while True:
            try:
                part = client.recv(4096)
                heard += part
                if not part:
                    break
            except TimeoutError:
                if drip:
                    client.sendall(drip)
            except (ConnectionResetError, BrokenPipeError):
                break
            assert time.monotonic() - begun < PATIENCE
    assert seconds - 0.05 < time.monotonic() - begun < Limits().header_seconds
    assert status in heard
    assert server.figure("striate_pictures_underway") == 0


def test_a_crowd_of_silent_sockets_keeps_nobody_out(server):
    with ExitStack() as clients:
        for _ in range(80):  # more than there may be connections
            clients.enter_context(server.connect())
        assert server.ask("GET", "/healthz").status == 200
    assert server.figure('striate_connections_closed_total{why="crowd"}') >= 20


@pytest.mark.parametrize("path", ["nothing", "predict"])
def test_a_crowd_whose_bodies_never_come_keeps_nobody_out(coloured_file, tmp_path, path):
    slow = b"POST /%s HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n" % path.encode()
    with (
        served([coloured_file, "--connections", 60], tmp_path, patience={"SLOW": 0.2}) as server,
        ExitStack() as clients,
    ):
        for _ in range(60):
            clients.enter_context(server.connect(slow))
        time.sleep(0.3)
        assert server.ask("GET", "/healthz").status == 200
        assert server.figure('striate_connections_closed_total{why="crowd"}') >= 1


def test_who_was_refused_makes_room_first(coloured_file, tmp_path):
    with served([coloured_file, "--connections", 60], tmp_path) as server, ExitStack() as clients:
        for _ in range(60):
            client = clients.enter_context(server.connect(b"GET / HTTQ/1.1\r\n\r\n"))
            assert b" 400 " in client.recv(100)  # and it keeps its side open
        assert server.ask("GET", "/healthz").status == 200
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < protocol.LINGER


def test_all_that_a_server_tells_is_in_its_log(coloured_file, tmp_path):
    with served([coloured_file], tmp_path) as server:
        kind = {"content-type": "multipart/form-data; boundary=b"}
        assert server.ask("POST", "/predict", b"--b\r\ncontent no disposition", kind).status == 400
        assert server.ask("POST", "/predict", b"--- parts", kind).status == 400
        server.until(lambda: any(line.get("logger", "").startswith("python_multipart") for line in server.lines))
        assert len(server.said.strip().splitlines()) == 1


def test_a_reader_of_the_log_that_stops_holds_up_nobody(coloured_file):
    words = [sys.executable, "-m", "striate", "serve", str(coloured_file), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            line = b""
            while b"serving" not in line:
                line = process.stderr.readline()
            port = int(line.decode().rsplit(":", 1)[1].split("/")[0])
            asyncio.run(many(port, 1500))  # far more lines than a pipe holds
        finally:
            process.kill()


async def many(port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
    writer.close()
