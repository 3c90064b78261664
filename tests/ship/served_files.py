"""Servers as processes of their own, and clients that behave well or badly."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds that a test waits for what takes a moment, on a machine that is busy
# the command, with a model that takes its time, as a large network would, or all the time that a file is there, and
# another patience with connections
CHANGED = """
import os, sys, time
from striate.ship.serve import protocol
from striate.ship.shipped import Shipped
vars(protocol).update({patience})
answers = Shipped.answers
def slowly(self, fitted):
    time.sleep({slow})
    while os.path.exists({hold!r}):
        time.sleep(0.01)
    return answers(self, fitted)
Shipped.answers = slowly
from striate.cli import main
main(sys.argv[1:])
"""


class Server:
    """`striate serve` with these words, as a process.

    Parameters
    ----------
    words
        as one would type them
    folder
        for what it says
    slow
        seconds that each batch takes beside its own
    patience
        names of `striate.ship.serve.protocol` -> their seconds
    settings
        of its environment
    """

    def __init__(
        self,
        words: list[Any],
        folder: Path,
        slow: float = 0.0,
        patience: dict[str, float] | None = None,
        **settings: str,
    ):
        self.log, self.errors, self.hold = folder / "log.jsonl", folder / "errors.txt", folder / "hold"
        start = ["-c", CHANGED.format(slow=slow, patience=patience or {}, hold=str(self.hold))]
        command = [sys.executable, "-W", "error::ResourceWarning", *start, "serve", *map(str, words), "--port", "0"]
        with self.log.open("wb") as log, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command, stdout=log, stderr=errors, env=os.environ | settings)
        self.until(lambda: "serving" in self.said)
        self.port = int(self.said.rsplit("http://", 1)[1].split("/")[0].rsplit(":", 1)[1])

    @contextmanager
    def held(self) -> Iterator[None]:
        """No picture is answered meanwhile."""
        self.hold.touch()
        try:
            yield
        finally:
            self.hold.unlink()

    @property
    def said(self) -> str:
        """To a person."""
        return self.errors.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def until(self, true: Any) -> None:
        """Wait while it runs."""
        limit = time.monotonic() + PATIENCE
        while not true():
            assert self.process.poll() is None, f"it ended: {self.said}"
            assert time.monotonic() < limit, f"it takes too long: {self.said}"
            time.sleep(0.01)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> "Answer":
        """One request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def connect(self, said: bytes = b"") -> socket.socket:
        """A socket that says this."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        client.sendall(said)
        return client

    def figure(self, name: str) -> float:
        """One of /metrics; 0 where it is not there."""
        lines = self.ask("GET", "/metrics").content.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def memory(self, what: str = "VmRSS") -> float:
        """In MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(what))

    def stop(self) -> int:
        """Tell it to end; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


class Answer:
    """What came back."""

    def __init__(self, response: Any):
        self.status, self.content = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def told(self) -> Any:
        """Its JSON."""
        return json.loads(self.content)


@contextmanager
def served(words: list[Any], folder: Path, **settings: Any) -> Iterator[Server]:
    """A server that ends with the `with`, and then says nothing but that it served."""
    server = Server(words, folder, **settings)
    try:
        yield server
        assert server.stop() == 0, server.said
        failures = [line for line in server.lines if line["event"] == "failure"]
        assert not failures, failures
    finally:
        server.process.kill()
        server.process.wait()


def multipart(
    files: list[bytes], names: Sequence[str | None] | None = None, field: str = "picture"
) -> tuple[bytes, dict[str, str]]:
    """Several pictures as a form has them, some perhaps without a file's name: the body, and its headers."""
    parts = []
    for name, file in zip(names or [f"{n}.png" for n in range(len(files))], files, strict=True):
        told = "" if name is None else f'; filename="{name}"'
        head = f'--limit\r\ncontent-disposition: form-data; name="{field}"{told}\r\n\r\n'
        parts.append(head.encode() + file + b"\r\n")
    return b"".join(parts) + b"--limit--\r\n", {"content-type": "multipart/form-data; boundary=limit"}


def post(body: bytes, path: str = "/predict", more: bytes = b"") -> bytes:
    """A request as bytes."""
    head = b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n%s\r\n" % (path.encode(), len(body), more)
    return head + body


def rest(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    while True:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)
