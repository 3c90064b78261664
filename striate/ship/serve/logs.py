"""One line of JSON for each request, written by a thread of its own: who reads slowly holds up nobody."""

import json
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from queue import Full, Queue
from threading import Thread
from typing import Any

LINES = 10_000  # that wait to be written; more are not kept


class Log:
    """Lines on standard output.

    Parameters
    ----------
    lost
        is called for each line that is not kept
    """

    def __init__(self, lost: Callable[[], None]):
        self.lost = lost
        self.lines: Queue[dict[str, Any] | None] = Queue(LINES)
        self.thread = Thread(target=self._write, name="log", daemon=True)
        self.thread.start()

    def __call__(self, event: str, **told: Any) -> None:
        """Write what happened."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            self.lines.put_nowait({"time": now, "event": event, **told})
        except Full:
            self.lost()

    def failure(self, error: BaseException, **told: Any) -> None:
        """Write what should not have happened, with where it did."""
        self("failure", **told, error=repr(error), trace=traceback.format_exception(error))

    def close(self) -> None:
        """Write what waits; a reader that has stopped is not waited for."""
        try:
            self.lines.put(None, timeout=2)
        except Full:
            return
        self.thread.join(2)

    def _write(self) -> None:
        while (line := self.lines.get()) is not None:
            try:
                sys.stdout.write(json.dumps(line) + "\n")
                if self.lines.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):  # a pipe whose reader has gone: answering goes on
                self.lost()
