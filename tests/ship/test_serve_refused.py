"""What a server refuses: what is too much, what is no HTTP, and names of files and places."""

import gzip
import resource
import socket
import threading
import time
import zlib

import numpy as np
import pytest
from crowds import PICTURE
from made import encoded
from served_files import PATIENCE, post, rest, served
from tinting import tinted

LIMITS = ["--bytes", 100_000, "--memory", 1_000_000, "--pixels", 1_000_000, "--pictures", 4]


@pytest.fixture(scope="module")
def server(coloured_file, tmp_path_factory):
    with served([coloured_file, *LIMITS], tmp_path_factory.mktemp("refused")) as server:
        yield server


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
