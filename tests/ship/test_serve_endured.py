"""Nothing breaks a server: crowds, slow and silent clients, what is too much, what is cut off, and its own end."""

import asyncio
import gzip
import resource
import socket
import subprocess
import sys
import threading
import time
import zlib
from contextlib import ExitStack
from http.client import HTTPConnection

import numpy as np
import pytest
from crowds import PICTURE, crowd, told
from made import encoded
from served_files import PATIENCE, multipart, post, rest, served
from tinting import tinted

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


def test_what_is_too_much_is_413(server):
    chunked = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    begun = time.monotonic()
    with server.connect(chunked) as client:
        heard: list[bytes] = []
        listener = threading.Thread(target=lambda: heard.append(rest(client)))
        listener.start()
        try:
            while time.monotonic() - begun < PATIENCE:
                client.sendall(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        except (ConnectionResetError, BrokenPipeError):
            pass
        listener.join(PATIENCE)
    assert b" 413 " in heard[0]
    announced = server.ask("POST", "/predict", b"", {"content-length": str(10**12)})
    assert (announced.status, "a body may have 100,000 bytes" in announced.told["error"]) == (413, True)
    parts = b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n" * 1_900 + b"--b--"
    kind = {"content-type": "multipart/form-data; boundary=b"}
    many = server.ask("POST", "/predict", parts, kind)
    assert (many.status, "may hold 4 pictures" in many.told["error"]) == (413, True)
    bomb = server.ask("POST", "/predict", gzip.compress(bytes(50_000_000)), {"content-encoding": "gzip"})
    assert (bomb.status, "when inflated" in bomb.told["error"]) == (413, True)
    assert server.figure("striate_body_bytes_underway") == 0


def test_ten_thousand_parts_are_413_and_no_file_is_written(coloured_file, tmp_path):
    with served([coloured_file], tmp_path) as server:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # its log has that room
        kind = {"content-type": "multipart/form-data; boundary=b"}
        parts = b'--b\r\ncontent-disposition: form-data; name=a; filename="a.png"\r\n\r\nabc\r\n' * 10_000 + b"--b--"
        assert server.ask("POST", "/predict", parts, kind).status == 413
        large = b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n" + bytes(15_000_000) + b"\r\n--b--"
        assert server.ask("POST", "/predict", large, kind).status == 415
        assert server.ask("POST", "/predict", bytes(15_000_000)).status == 415


def test_bombs_are_told(server):
    large = encoded(np.zeros((1001, 1000, 3), np.uint8))
    answer = server.ask("POST", "/predict", large)
    assert (answer.status, "may have 1,000,000 pixels" in answer.told["error"]) == (422, True)
    before = server.memory("VmHWM")
    bomb = bytearray(encoded(tinted(1, 1)))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # its header says that it has 3.6 thousand million pixels
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    answer = server.ask("POST", "/predict", bytes(bomb))
    assert answer.status == 422
    assert server.memory("VmHWM") < before + 50


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"], ids=["new", "used"])
@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTQ/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: " + bytes(100) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    ],
    ids=["TLS", "protocol", "path", "length", "both lengths", "header", "no host", "chunk"],
)
def test_what_is_no_http_is_400(server, said, before):
    with server.connect(before) as client:
        if before:
            assert b" 200 " in client.recv(4096)
        client.sendall(said)
        assert b" 400 " in rest(client).split(b"\r\n")[0]
    assert server.ask("GET", "/healthz").status == 200


def test_a_head_that_breaks_off_gets_no_body(server):
    with server.connect(
        b"HEAD /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n"
    ) as client:
        head, _, body = rest(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert body == b""


@pytest.mark.parametrize("path", ["predict", "nothing"])
def test_a_body_in_tiny_chunks_is_refused(server, path):
    head = b"POST /%s HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n" % path.encode()
    with server.connect(head + 4_100 * b"1\r\nx\r\n") as client:
        assert b"256 bytes or more on average, but these 4,001 have 4,001" in rest(client)
    parts = [PICTURE[at : at + 9] for at in range(0, len(PICTURE), 9)]  # few enough
    whole = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    with server.connect(head + whole + b"0\r\n\r\n") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 200" if path == "predict" else b"HTTP/1.1 404")


def test_all_that_a_server_tells_is_in_its_log(coloured_file, tmp_path):
    with served([coloured_file], tmp_path) as server:
        kind = {"content-type": "multipart/form-data; boundary=b"}
        assert server.ask("POST", "/predict", b"--b\r\ncontent no disposition", kind).status == 400
        assert server.ask("POST", "/predict", b"--- parts", kind).status == 400
        server.until(lambda: any(line.get("logger", "").startswith("python_multipart") for line in server.lines))
        assert len(server.said.strip().splitlines()) == 1


def test_pipelined_requests_are_answered_in_their_order(server):
    wrong = post(b"no picture")
    with server.connect(post(PICTURE) + wrong + post(PICTURE, more=b"connection: close\r\n")) as client:
        heard = rest(client)
    found = [int(part.split()[0]) for part in heard.split(b"HTTP/1.1 ")[1:]]
    assert found == [200, 415, 200]


def test_nothing_is_fetched_and_no_path_is_read(coloured_file, tmp_path):
    with socket.socket() as tempting, served([coloured_file], tmp_path) as server:
        tempting.bind(("127.0.0.1", 0))
        tempting.listen()
        tempting.setblocking(False)
        address = f"http://127.0.0.1:{tempting.getsockname()[1]}/a.jpg"
        for text in (address, f"file://{coloured_file}", str(coloured_file), "/etc/passwd"):
            assert server.ask("POST", "/predict", text.encode()).status == 415
            assert server.ask("POST", f"/predict?model={text}", PICTURE).status == 404
            for name in ("url", "path", "file"):
                assert server.ask("POST", f"/predict?{name}={text}", PICTURE).status == 422
            form = f'--b\r\ncontent-disposition: form-data; name="url"; filename="{text}"\r\n\r\n{text}\r\n--b--'
            kind = {"content-type": "multipart/form-data; boundary=b"}
            assert server.ask("POST", "/predict", form.encode(), kind).status == 415
        with pytest.raises(BlockingIOError):
            tempting.accept()


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
