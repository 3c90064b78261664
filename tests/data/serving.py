"""Servers on this machine, one of which resumes, breaks, lies and refuses as it is told."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

import striate.data.sources.get as getting
from striate.data.sources.download import RemoteFile
from striate.data.sources.get import Official

CONTENT = np.random.default_rng(0).bytes(600_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server does: it can be told to break off, to be slow, to refuse, to send something else."""

    server: ThreadingHTTPServer
    content: bytes = CONTENT
    etag: str = '"first"'
    ranges: bool = True
    sized: bool = True  # whether it says how long the content is before it is asked for it
    cuts: list[int] = field(default_factory=list)  # after so many bytes of one answer each
    status: int = 0
    pause: float = 0
    part_from: int | None = None  # what a partial answer says, where it lies
    asked: list[tuple[str, str]] = field(default_factory=list)  # Range and If-Range of each request

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/set.tgz"


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        site: Site = self.server.site  # type: ignore[attr-defined]
        if site.status:
            return self.send_error(site.status)
        self.send_response(200)
        if site.sized:
            self.send_header("Content-Length", str(len(site.content)))
        self.end_headers()
        return None

    def do_GET(self):
        site: Site = self.server.site  # type: ignore[attr-defined]
        asked, version = self.headers.get("Range", ""), self.headers.get("If-Range", "")
        site.asked.append((asked, version))
        if site.status:
            return self.send_error(site.status)
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if site.ranges else 0
        if start and version and version != site.etag:
            start = 0
        if start >= len(site.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(site.content) - start))
        self.send_header("ETag", site.etag)
        if start:
            first = start if site.part_from is None else site.part_from
            self.send_header("Content-Range", f"bytes {first}-{len(site.content) - 1}/{len(site.content)}")
        self.end_headers()
        body = site.content[start:]
        body = body[: site.cuts.pop(0)] if site.cuts else body
        for at in range(0, len(body), 20_000):
            self.wfile.write(body[at : at + 20_000])
            time.sleep(site.pause)
        return None

    def log_message(self, format, *args):
        pass


class Server(ThreadingHTTPServer):
    site: Site

    def handle_error(self, request, client_address):
        """A client that was killed is what some tests are about."""


def publish(monkeypatch, site, **more) -> None:
    record = Official("set", "pictures", "http://home", "MIT", (RemoteFile(site.address, len(CONTENT), SUM),), **more)
    monkeypatch.setattr(getting, "official", lambda: {"set": record})


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def served(server: ThreadingHTTPServer, monkeypatch) -> Iterator[None]:
    """Lets a server answer, and nothing stand between it and the test."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()
