"""Damage in the middle of a JPEG, which its decoders pass over: the rest becomes gray, or something else."""

import re
from struct import unpack_from

import numpy as np
from PIL import Image

MARKER = re.compile(rb"\xff+([^\x00\xff])")
BEGIN, END, SCAN, RESTARTS, ALONE = 0xD8, 0xD9, 0xDA, 0xDD, 0x01
PIECE = 2**16  # bytes that are searched at once
PADDING = 512  # bytes of zeros that a camera may leave behind the pixels
RESTART = range(0xD0, 0xD8)  # stand among the pixels, in turn
BETWEEN = {0xC4, SCAN, 0xDB, 0xDC, RESTARTS, 0xFE, *range(0xE0, 0xF0)}  # may follow pixels, other than the end


def damage(content: bytes, image: Image.Image) -> str:
    """What shows that a JPEG is damaged behind its header; "" where nothing does, as where single bits are wrong.

    Parameters
    ----------
    content
        a file that can be decoded
    image
        the same, opened
    """
    place, interval, end = 2, 0, 0
    while (marker := MARKER.match(content, place)) and marker[1][0] != END and marker.end() + 4 <= len(content):
        kind = marker[1][0]
        if end and kind not in BETWEEN:
            break
        length, value = unpack_from(">HH", content, marker.end())
        interval = value if kind == RESTARTS else interval
        place = marker.end() + length
        if kind == SCAN:
            end, fault = _behind_pixels(content, place, interval)
            # in a progressive one, many blocks may take one bit
            hole = -1 if "progressive" in image.info else content.find(bytes(_zeros(image)), place, end)
            if fault or hole >= 0:
                return fault or f"at byte {hole:,} begins a hole of zeros"
            place = end
    if not end or end == len(content) or (marker and marker[1][0] == END):
        return ""  # also where the end is lacking: the decoder had all pixels by then
    return f"at byte {end:,} stands what belongs to no picture"


def scans(content: bytes) -> int:
    """How many times a JPEG's pixels are passed over, as decoders find it, who skip what they do not understand.

    Parameters
    ----------
    content
        a file
    """
    place = found = 0
    while (marker := MARKER.search(content, place)) and (kind := marker[1][0]) != END:
        place = marker.end()
        found += kind == SCAN
        if kind not in (*RESTART, BEGIN, ALONE) and place + 2 <= len(content):  # all others have a length
            place += unpack_from(">H", content, place)[0]
    return found


def _behind_pixels(content: bytes, place: int, interval: int) -> tuple[int, str]:
    """Where coded pixels end, among which 0xFF is written as 0xFF 0x00; and what is wrong with their restarts."""
    passed = 0
    for start in range(place, len(content) - 1, PIECE):
        codes = np.frombuffer(content[start : start + PIECE + 1], np.uint8)
        at = np.flatnonzero(codes[:-1] == 0xFF)
        at = at[(codes[at + 1] != 0) & (codes[at + 1] != 0xFF)]
        kinds = codes[at + 1]
        others = np.flatnonzero((kinds != RESTART[0] + (passed + np.arange(len(kinds))) % 8) | (not interval))
        if len(others):
            first = others[0]
            there = start + int(at[first])
            return there, f"at byte {there:,} stands a restart that belongs elsewhere" * (kinds[first] in RESTART)
        passed += len(kinds)
    return len(content), ""


def _zeros(image: Image.Image) -> int:
    """More bytes of zeros than its pixels can be: each block of 8×8 of a channel takes 2 bits at least."""
    blocks = len(image.getbands()) * (image.width // 8 + 4) * (image.height // 8 + 4)  # filled up to whole units
    return blocks // 4 + PADDING
