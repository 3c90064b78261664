"""Settings of all tests."""

from hypothesis import settings

# the same examples on every run and every machine, however slow it is
settings.register_profile("striate", derandomize=True, deadline=None)
settings.load_profile("striate")
