"""Settings of all tests."""

import os

import pytest
from hypothesis import settings

# the same examples on every run and every machine, however slow it is
settings.register_profile("striate", derandomize=True, deadline=None)
settings.load_profile("striate")

# tests run side by side, with networks so small that threads would wait for each other more than they compute
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Tests leave nothing in the cache of who runs them, and find nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
