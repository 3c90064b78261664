"""Contestants take turns, each in a process of its own, of which only one is active.

Thread pools of several engines in one process fight, and a machine that slows down would favour whoever went first.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any


@dataclass
class Contestant:
    """A function that a process of its own calls in its turn; it returns what it worked out, for comparison.

    Parameters
    ----------
    name
        what it is called in the results
    function
        where it is, as 'module:function'
    argument
        what it is given
    seconds
        how long each turn took
    work
        what it returned last
    """

    name: str
    function: str
    argument: str
    seconds: list[float] = field(default_factory=list)
    work: Any = None

    def __enter__(self) -> "Contestant":
        words = [sys.executable, "-W", "ignore", "-m", "bench.turns", self.function, self.argument]
        root = Path(__file__).parents[1]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        self._read()  # it has imported what it needs
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def _read(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has died on {self.argument}")
        return json.loads(line)

    def turn(self) -> None:
        """Call the function once, and note how long it took."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self._read()
        self.seconds.append(answer["seconds"])
        self.work = answer["work"]

    @property
    def result(self) -> str:
        """The median and the range, in milliseconds."""
        low, high = 1e3 * min(self.seconds), 1e3 * max(self.seconds)
        return f"{1e3 * median(self.seconds):8.1f} ms ({low:.1f} … {high:.1f})"


def race(contestants: list[Contestant], turns: int) -> None:
    """Let all take turns; the first turn, in which caches fill, does not count."""
    for number in range(turns + 1):
        for contestant in contestants:
            contestant.turn()
            if number == 0:
                contestant.seconds.clear()


def serve(function: str, argument: str) -> None:
    """Be a contestant: prepare, then run at each line of the input."""
    module, _, name = function.partition(":")
    run = getattr(import_module(module), name)(argument)
    print("0", flush=True)
    for _ in sys.stdin:
        start = perf_counter()
        work = run()
        print(json.dumps({"seconds": perf_counter() - start, "work": work}), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
