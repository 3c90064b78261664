"""Pictures whose features are kept in a cache of their own."""

import pytest
from counted import COUNT
from made import dataset, encoded, photo


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def contents():
    return [encoded(photo(number, 24, 30)) for number in range(COUNT)]


@pytest.fixture
def pictures(contents):
    return dataset(contents)
