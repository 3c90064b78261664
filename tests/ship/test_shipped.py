"""A file that is opened is as it was written, says what it takes, and may be asked by many threads."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from made import photo
from shipped_files import unsealed

from striate.errors import StriateError, WeightsError
from striate.ship.checked import check
from striate.ship.shipped import open_shipped, session


@given(some.data())
def test_a_file_with_one_bit_changed_or_an_end_that_lacks_does_not_answer(coloured_file, data):
    content = coloured_file.read_bytes()
    place = data.draw(some.integers(0, len(content) - 1) | some.integers(len(content) - 200, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= 1 << data.draw(some.integers(0, 7))
    for damaged in (bytes(changed), content[:place]):
        with pytest.raises(WeightsError, match=r"^pets\.onnx must be "):
            check(damaged, "pets.onnx")
    assert check(content, "pets.onnx").classes
    with pytest.raises(WeightsError, match="no SHA-256 stands at its end: it was cut short or changed, or is of an"):
        check(unsealed(content).SerializeToString(), "pets.onnx")


def test_an_opened_file_says_what_it_takes(coloured_file):
    ask = open_shipped(coloured_file)
    for pictures in (photo(1), photo(1)[None].astype(np.float32), photo(1)[None, :, :, :1], photo(1)[None][:, :0]):
        with pytest.raises(StriateError, match=r"uint8 of shape \(n, height, width, 3\), but these are "):
            ask(pictures)


def test_threads_that_ask_first_share_what_is_made(coloured_file, monkeypatch):
    made = []

    def slowly(model, threads):
        made.append(len(model))
        time.sleep(0.1)
        return session(model, threads)

    monkeypatch.setattr("striate.ship.shipped.session", slowly)
    opened = open_shipped(coloured_file)
    with ThreadPoolExecutor(8) as pool:
        fitted = list(pool.map(opened.fit, [photo(1)] * 8))
        list(pool.map(opened.answers, np.stack(fitted)[:, None]))
    assert len(made) == 2


def test_threads_are_at_least_one(coloured_file):
    with pytest.raises(StriateError, match="at least 1 thread, but threads is 0"):
        open_shipped(coloured_file, threads=0)
