"""JPEGs that are damaged in the middle are found though they can be decoded, and no sound one is taken for damaged."""

import io
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import dataset, encoded, photo
from PIL import Image
from spoiled import drawn, jpeg

from striate.data.audit.audit import audit
from striate.data.audit.cleaning import leaving
from striate.data.audit.examine import picture_facts
from striate.pictures.damage import _behind_pixels, damage

RESTARTS = {"restart_marker_blocks": 5}


def found(content: bytes) -> str:
    with Image.open(io.BytesIO(content)) as image:
        return damage(content, image)


def middle(content: bytes, foreign: bytes) -> bytes:
    """The file with these bytes in place of its own."""
    half = len(content) // 2
    return content[:half] + foreign + content[half + len(foreign) :]


@settings(max_examples=150)
@given(
    pixels=st.one_of(
        st.builds(photo, st.integers(0, 99), st.integers(1, 90), st.integers(1, 90)),
        st.builds(
            np.full, st.tuples(st.integers(1, 900), st.integers(1, 900), st.just(3)), st.just(255), st.just("u1")
        ),
    ),
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
    quality=st.sampled_from([1, 75, 100]),
    subsampling=st.sampled_from([0, 1, 2]),
    ways=st.fixed_dictionaries({"optimize": st.booleans(), "progressive": st.booleans()}),
    restarts=st.sampled_from([{}, RESTARTS, {"restart_marker_rows": 1}]),
    behind=st.sampled_from([b"", b"\0" * 9999, b"\xff\x03 of another program"]),
)
def test_sound_pictures_are_sound(pixels, mode, quality, subsampling, ways, restarts, behind):
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(
        file, "JPEG", quality=quality, subsampling=subsampling, **ways, **restarts
    )
    assert found(file.getvalue() + behind) == ""


@pytest.mark.parametrize("way", [{}, {"optimize": True}, {"progressive": True}, RESTARTS])
def test_foreign_bytes_are_found(way):
    whole = encoded(np.asarray(drawn(1, (400, 300))), "JPEG", quality=90, **way)
    foreign = np.random.default_rng(1).bytes(4096)
    assert picture_facts(whole, "x").fault == ""
    facts = picture_facts(middle(whole, foreign), "x")
    assert facts.fault == "damaged"
    assert facts.reason.startswith("x can be read, but at byte ")


@pytest.mark.parametrize("way", [{}, {"optimize": True}, RESTARTS])
def test_a_hole_of_zeros_is_found_where_it_begins(way):
    whole = encoded(np.asarray(drawn(1, (400, 300))), "JPEG", quality=90, **way)
    spoiled = middle(whole, bytes(8192))
    begin = len(spoiled[: len(whole) // 2].rstrip(b"\0"))
    assert found(spoiled) == f"at byte {begin:,} begins a hole of zeros"
    assert "hole of zeros" in found(whole[: len(whole) // 2] + bytes(len(whole)))  # also where the end is gone


def test_a_piece_that_is_lost_is_found_by_its_restarts():
    whole = encoded(photo(1, 200, 200), "JPEG", quality=95, **RESTARTS)
    first, second = (whole.index(bytes([0xFF, kind])) for kind in (0xD1, 0xD3))
    assert found(whole[:first] + whole[second:]) == f"at byte {first:,} stands a restart that belongs elsewhere"
    without = whole.replace(b"\xff\xdd\x00\x04\x00\x05", b"")  # no word of restarts in the header
    assert "restart that belongs elsewhere" in found(without)


@given(
    st.lists(st.sampled_from([b"\xff", b"\0", b"\xd0", b"\xd1", b"\xd2", b"\x01", b"ab"]), max_size=60).map(b"".join),
    st.integers(0, 9),
    st.integers(0, 1),
    st.sampled_from([3, 8, 2**16]),
)
def test_pixels_end_where_a_loop_says(content, place, interval, piece):
    number, expected = 0, (len(content), False)
    for there in range(place, len(content) - 1):
        if content[there] == 0xFF and content[there + 1] not in (0, 0xFF):
            restart = 0xD0 <= content[there + 1] < 0xD8
            if not restart or not interval or content[there + 1] != 0xD0 + number % 8:
                expected = there, restart
                break
            number += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.pictures.damage.PIECE", piece)
        end, fault = _behind_pixels(content, place, interval)
    assert (end, bool(fault)) == expected


def test_a_hostile_file_is_looked_through_once():
    head = encoded(photo(1, 16, 16), "JPEG")
    start = head[head.index(b"\xff\xda") :][:14]
    hostile = head[: head.index(b"\xff\xda")] + 90 * start + b"\xff\x01" * 5_000_000
    with Image.open(io.BytesIO(hostile)) as image:
        tracemalloc.start()
        begun = time.process_time()
        damage(hostile, image)
        assert time.process_time() - begun < 1  # else each of its scans is behind all others
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()


def test_damage_is_a_finding_and_leaves():
    contents = [jpeg(drawn(number, (400, 300))) for number in range(4)]
    contents[2] = middle(contents[2], bytes(4096))
    told = audit(dataset(contents))
    finding = next(finding for finding in told.findings if finding.kind == "damaged")
    assert finding.sentence == "1 picture: damaged in the middle: from there on it shows gray, or something else"
    assert [one.name for (one,) in finding.groups] == ["002.png"]
    assert leaving(told) == {2: "damaged"}
