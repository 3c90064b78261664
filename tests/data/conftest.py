"""What several tests of data begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from grown import grow, many
from serving import Handler, Server, Site, publish, served


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    """A cache of this test alone."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def split_root(tmp_path) -> Path:
    """A folder with three splits of cats and dogs; its test split has one cat and no dog."""
    return grow(tmp_path / "pets", *many(4, "train/cat", "train/dog"), *many(2, "val/cat", "val/dog"), "test/cat/9.png")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Iterator[Site]:
    """A server, and a record of `set` that points to it."""
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site(server)
    publish(monkeypatch, server.site)
    monkeypatch.chdir(tmp_path)
    with served(server, monkeypatch):
        yield server.site
