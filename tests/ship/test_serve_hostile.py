"""What costs a client little may not cost a server much."""

import asyncio
import gzip
import json
import struct
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi import Request
from made import encoded, photo
from served_files import multipart, served
from starlette.types import Message

from striate.ship.serve.crew import Crew
from striate.ship.serve.crowd import REST, WORTHY, Crowd
from striate.ship.serve.desk import Desk
from striate.ship.serve.limits import Limits
from striate.ship.serve.places import Place, Places
from striate.ship.serve.reading import Read, read
from striate.ship.serve.refusal import Refusal
from striate.ship.shipped import open_shipped

PIXEL = b'"datatype": "UINT8", "shape": [1, 1, 1, 3], "data": '
RUNS = struct.pack("<IHHIIiiHHIIiiII", 33_078, 0, 0, 1_078, 40, 8_000, 8_000, 1, 8, 1, 32_000, 0, 0, 256, 0)
SMALL = {
    "brackets": (
        "/v2/models/trees/infer",
        b'{"inputs": [{"name": "pictures", %s[%s]}]}' % (PIXEL, b",".join([b"[" * 24 + b"]" * 24] * 300_000)),
        (413, "may hold 200,000 lists"),
    ),
    "signs": (
        "/v2/models/trees/infer",
        b'{"inputs": [{"name": "%s", %s[1, 2, 3]}]}' % (b"\x7f" * 15_000_000, PIXEL),
        (400, "the input is called pictures"),
    ),
    "nested": ("/v2/models/trees/infer", b"[" * 100_000, (400, "too many lists in each other")),
    "digits": ("/v2/models/trees/infer", b"9" * 5_000, (400, "numbers that it cannot have")),
    "comments": ("/predict", b"P3 1000 1000 255\n" + b"#\n" * 1_000_000, (422, "up to 1,000 comments")),
    "runs": ("/predict", b"BM" + RUNS + bytes(1_024) + b"\1\0\0\0" * 8_000, (422, "4,000,000 pixels")),
}


@pytest.fixture(scope="module")
def server(coloured_file, tmp_path_factory):
    with served([f"trees={coloured_file}"], tmp_path_factory.mktemp("hostile")) as server:
        yield server


@pytest.mark.parametrize("kind", SMALL)
def test_a_few_bytes_take_no_minutes(server, kind):
    path, body, (status, words) = SMALL[kind]
    small = gzip.compress(body, 1)
    used = server.figure("process_cpu_seconds_total")
    answer = server.ask("POST", path, small, {"content-encoding": "gzip"})
    assert (answer.status, words in answer.told["error"]) == (status, True), answer.told
    assert len(answer.content) < 500
    assert server.figure("process_cpu_seconds_total") - used < 3


def test_many_that_take_long_are_too_many(coloured_file, monkeypatch):
    shipped, limits = open_shipped(coloured_file), Limits()
    monkeypatch.setattr("striate.ship.serve.reading.READING", 1e-4)
    files = [(name, encoded(photo(1, 300, 300))) for name in "abc"]
    with Places(limits).enter() as place, pytest.raises(Refusal, match="passed before 'b', picture 2 of 3") as refusal:
        read(files, shipped, limits, place)
    assert refusal.value.status == 413


def test_an_inflated_body_takes_its_room():
    places = Places(limits := Limits(bytes=1_000_000, memory=1_500_000))
    desk = Desk({}, Crew((), 1, 1, 0, int, print), places, limits, 1, print)
    taken: list[int] = []

    def see(files: list[bytes], place: Place) -> list[Read]:
        taken.append(places.bytes)
        raise Refusal(400, "it was seen")

    async def ask() -> None:
        async def receive() -> Message:
            if heard:
                await asyncio.Event().wait()
            heard.append(True)
            return {"type": "http.request", "body": gzip.compress(bytes(1_000_000))}

        heard: list[bool] = []
        request = Request({"type": "http", "headers": [(b"content-encoding", b"gzip")]}, receive)
        await desk.answers(request, None, lambda content: (None, [content]), see, print)  # type: ignore[arg-type]

    with pytest.raises(Refusal, match="it was seen"):
        asyncio.run(ask())
    with places.enter() as other:
        other.take(size=600_000)
        with pytest.raises(Refusal, match=r"60\d,\d\d\d of 1,500,000 bytes of bodies are taken"):
            asyncio.run(ask())
    assert (taken, places.bytes) == ([1_000_000], 0)


def test_threads_are_as_patient_as_their_server():
    code = "import os; from striate.ship.serve import crew; os.nice(10); crew.step_back(); print(os.nice(0))"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"10\n"  # less is for administrators


def test_large_pictures_leave_no_memory_behind(server):
    large = encoded(np.zeros((6_000, 6_000, 3), np.uint8))
    assert server.ask("POST", "/predict", encoded(photo(1))).status == 200
    before = server.memory()
    assert server.ask("POST", "/predict", *multipart([large] * 3)).status == 200
    assert server.memory() < before + 120  # MB; one has 108


def test_headers_have_a_length(server):
    with server.connect(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n") as client:
        for _ in range(20):
            client.sendall(b"cookie: " + b"a" * 1_000 + b"\r\n")
            time.sleep(0.001)
        said = client.recv(2_000)
    assert said.startswith(b"HTTP/1.1 431 Request Header Fields Too Large")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"].startswith("headers have up to 16,384 bytes")


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"], ids=["new", "used"])
@pytest.mark.parametrize(("length", "status"), [(16_000, b"200"), (17_000, b"431"), (60_000, b"431")])
def test_headers_that_come_at_once_are_as_long(server, before, length, status):
    with server.connect(before) as client:
        if before:
            assert b" 200 " in client.recv(4096)
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\ncookie: " + b"a" * length + b"\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 " + status)


def test_another_protocol_is_not_advertised(server):
    headers = {"connection": "upgrade", "upgrade": "websocket"}
    assert server.ask("GET", "/healthz", headers=headers).status == 200
    assert not [line for line in server.lines if "library" in str(line)]


def crowd(count: int, worth: int) -> tuple[SimpleNamespace, list[SimpleNamespace], list[int]]:
    """A clock, connections of an age each, and one who counts how often they are looked at."""
    looks: list[int] = []

    class Connection(SimpleNamespace):
        @property
        def worth(self) -> int:
            looks.append(1)
            clock.now += 1e-5
            return worth

    clock = SimpleNamespace(now=0.0)
    loop = SimpleNamespace(time=lambda: clock.now)
    everyone = {number: Connection(since=number, loop=loop) for number in range(count)}
    for one in everyone.values():
        one.connections = list(everyone.values())
    return clock, list(everyone.values()), looks


def test_a_crowd_is_looked_through_seldom_and_the_oldest_goes_first():
    _, (new, *others), looks = crowd(500, 0)
    waiting = Crowd()
    assert [waiting.cheapest(new).since for _ in others] == list(range(1, 500))
    assert len(looks) < 3 * len(others)


def test_a_crowd_of_those_who_are_answered_turns_the_new_one_away():
    clock, (new, *others), looks = crowd(500, WORTHY)
    waiting = Crowd()
    for _ in range(1_000):
        assert waiting.cheapest(new) is new
    assert len(looks) == len(others)
    clock.now *= 2 + REST
    assert waiting.cheapest(new) is new
    assert len(looks) == 2 * len(others)
