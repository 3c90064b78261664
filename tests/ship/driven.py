"""Chromium, told what to do over a pair of pipes."""

import base64
import fcntl
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

import numpy as np
from PIL import Image

CHROMIUM = shutil.which("chromium") or ""
PATIENCE = 60.0


class Browser:
    """One page of a Chromium.

    Parameters
    ----------
    to, of
        the pipes
    """

    def __init__(self, to: Any, of: Any):
        self.to, self.of = to, of
        self.number, self.heard = 0, b""
        self.events: list[dict[str, Any]] = []
        self.session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log", "DOM", "Network"):
            self.call(f"{part}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        self.to.write(json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while True:
            while b"\0" not in self.heard:
                assert select([self.of], [], [], PATIENCE)[0], f"Chromium does not answer {method}"
                self.heard += self.of.read(65536)
            line, _, self.heard = self.heard.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def run(self, script: str) -> Any:
        """The value of an expression on the page."""
        return self.call("Runtime.evaluate", expression=script)["result"].get("value")

    def until(self, script: str) -> None:
        """Wait for it to be true."""
        limit = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < limit, script
            time.sleep(0.05)

    def choose(self, selector: str, file: Path) -> None:
        """Give a file to an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def shot(self) -> np.ndarray:
        """What is seen, (height, width, 3)."""
        data = self.call("Page.captureScreenshot")["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    @property
    def complaints(self) -> list[Any]:
        """What it wrote to its console."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event["params"] for event in self.events if event["method"] in kinds]

    @property
    def fetched(self) -> list[str]:
        """Addresses that it asked for."""
        asked = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in asked]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A Chromium of its own."""
    (theirs_in, to), (of, theirs_out) = os.pipe(), os.pipe()
    # it reads from 3 and writes to 4, whatever numbers are taken here
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 100) for end in (theirs_in, theirs_out)]
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
    shell = ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", *command, f"--user-data-dir={folder}"]
    process = subprocess.Popen(shell, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in (theirs_in, theirs_out, *ends):
        os.close(end)
    with os.fdopen(to, "wb", 0) as writing, os.fdopen(of, "rb", 0) as reading:
        try:
            yield Browser(writing, reading)
        finally:
            process.kill()
            process.wait()
