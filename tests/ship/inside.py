"""Both sides of a certificate in the process of the test, which takes no seconds to start."""

import importlib
from pathlib import Path
from typing import Any, Self

import pytest

from striate.ship.proof.sides import KINDS


class Inside:
    """Answers as `striate.ship.proof.sides.Side` does."""

    def __init__(self, kind: str, subject: bytes | Path):
        module, name = KINDS[kind].split(":")
        self.side = getattr(importlib.import_module(module), name)(subject)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, what: str, *about: Any) -> Any:
        """Call a method."""
        return getattr(self.side, what)(*about)


@pytest.fixture
def inside(monkeypatch) -> None:
    """No process of its own for either side, and no time taken for measuring times."""
    for name in ("striate.ship.proof.certifying", "striate.ship.proof.certify"):
        monkeypatch.setattr(importlib.import_module(name), "Side", Inside)
    monkeypatch.setattr(importlib.import_module("striate.ship.proof.timing"), "PAUSE", 0.0)
    monkeypatch.setattr(importlib.import_module("striate.ship.proof.timing"), "ROUNDS", 1)
