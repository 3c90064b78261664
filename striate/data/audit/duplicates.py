"""Duplicates: pictures that are copies of each other, to the byte or nearly.

A near copy was resized, compressed again, brightened, recoloured, cropped by a few percent, squashed or mirrored. It
is found in three steps, each dearer and surer than the one before: gray pictures of 8×8 pixels that correlate, of
32×32 whose details agree where one is laid over the other at several scales, and the same once more at up to 96×96.
Details are what a blur takes away, so that two skies or two sunsets are no copies of each other. Where many pictures
resemble one, as digits and forms do, likeness proves little: then copies must lie on each other exactly. Copies found
so count as one picture thereafter, for many copies of one photo are no crowd.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import PIL
from PIL import Image

from striate.data.audit.examine import SMALL, Facts, examine, side_by_side
from striate.data.caching import remembered
from striate.data.dataset import Dataset
from striate.show.progress import track

cv2.setNumThreads(1)  # pictures are compared side by side by our own threads

VERSION = 2  # of the components: another way of finding copies must not take the old ones
COARSE = 8
FINE = 96
ALIKE = 0.88  # what 8×8 pixels of 98 % of all cropped copies exceed, and one in 2,500 of other pairs
FITTING, SAME = 0.7, 0.75  # what the details of copies exceed at 32×32 and 96×96; other photos reach 0.75 and 0.56
FLAT = 2.0  # levels: what varies less than this shows nothing by which a copy could be told
SCALES = (1.0, 0.97, 0.94, 0.91, 0.88)  # of one picture within the other: a copy may be cropped
CROWD, CROWD_SHARE = 8, 0.005  # so many pictures may resemble one by chance: a number, or a share of all
OF_A_KIND = 0.1  # where so large a share of pictures is in a crowd, all are of a kind, as digits are
SURE = 0.96  # what the details of copies among many like them exceed
MOST = 8  # of the pictures that resemble one, so many are looked at: enough to join the frames of a film
CELLS = 2**24  # of pairs that are compared at a time: 64 MiB, however many pictures there are


@dataclass(frozen=True)
class Copies:
    """Which pictures are copies of which.

    Parameters
    ----------
    components
        (n,) numbers from 0, in order of appearance: the same for copies, and for copies of copies
    exact
        (n,) numbers from 0: the same for equal bytes
    mirrored
        the pairs of places, the lower first, of which one is the other's mirror image; of equal bytes, the first place
    small
        how many pictures are too small for near copies to be told from mere likeness
    """

    components: np.ndarray
    exact: np.ndarray
    mirrored: frozenset[tuple[int, int]]
    small: int


def components(data: Dataset) -> np.ndarray:
    """(n,) numbers from 0: pictures with the same number are copies of each other; found once, then remembered.

    Parameters
    ----------
    data
        pictures; one that cannot be read is a copy of nothing
    """

    def find() -> np.ndarray:
        unread = np.array([not fact.digest for fact in examine(data)], bool)
        return np.where(unread, -1, find_copies(data).components)

    # every process that opens what has no split of its own asks; comparing 50,000 pictures takes minutes
    key = f"{data.place_fingerprint()}-{VERSION}-{cv2.__version__}-{PIL.__version__}"
    found = remembered("copies", key, len(data), find)
    # what could not be read then, for want of a permission, may be read now, and its time of change tells nothing of it
    return find_copies(data).components if (found < 0).any() else found


def find_copies(data: Dataset) -> Copies:
    """Join equal and nearly equal pictures.

    Parameters
    ----------
    data
        pictures; one that cannot be read is a copy of nothing, one of less than 32 pixels a side only of its equals
    """
    facts = examine(data)
    numbers: dict[bytes | int, int] = {}
    keys = [place if fact.fault or not fact.digest else fact.digest for place, fact in enumerate(facts)]
    exact = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
    firsts = np.unique(exact, return_index=True)[1]
    near = _near(data, facts, [int(place) for place in firsts if facts[place].thumbnail is not None])
    straight, flipped = ({pair[:2] for pair in near if pair[2] == mirrored} for mirrored in (False, True))
    joined = _joined([(int(exact[first]), int(exact[second])) for first, second, _ in near], len(firsts))
    return Copies(
        joined[exact],
        exact,
        frozenset(flipped - straight),
        sum(fact.thumbnail is None and not fact.fault for fact in facts),
    )


def _near(data: Dataset, facts: list[Facts], places: list[int]) -> list[tuple[int, int, bool]]:
    """Pairs of places whose pictures are near copies, and whether one is mirrored."""
    if len(places) < 2:
        return []
    thumbnails = np.stack([facts[place].thumbnail for place in places])  # type: ignore[misc]
    pairs, crowded = _candidates(thumbnails)

    @lru_cache(maxsize=1024)
    def view(place: int, side: int) -> np.ndarray:
        pixels = data.picture(place, least=(FINE, FINE)).pixels
        gray = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("L")
        return np.asarray(gray.resize((side, side), Image.Resampling.BOX))

    def same(pair: tuple[int, int, bool], sure: bool) -> bool:
        first, second, mirrored = pair
        if agreement(thumbnails[first], thumbnails[second], mirrored, sure) < FITTING:
            return False
        first, second = places[first], places[second]
        side = min(FINE, *facts[first].size, *facts[second].size)
        return agreement(view(first, side), view(second, side), mirrored, sure) >= (SURE if sure else SAME)

    def judged(asked: list[tuple[int, int, bool]], crowded: np.ndarray) -> list[tuple[int, int, bool]]:
        sure = [bool(crowded[first] or crowded[second]) for first, second, _ in asked]
        kept = side_by_side(lambda number: same(asked[number], sure[number]), range(len(asked)), "comparing details")
        return [pair for pair, yes in zip(asked, kept, strict=True) if yes]

    found = judged(pairs, crowded)
    joined = _joined([pair[:2] for pair in found], len(places))
    distinct = np.unique(joined, return_index=True)[1]
    if crowded.any() and len(distinct) < len(joined):
        fewer = _candidates(thumbnails[distinct])[1][joined]  # what many other pictures resemble, not many copies
        freed = [
            (first, second, mirrored)
            for first, second, mirrored in pairs
            if joined[first] != joined[second]
            and (crowded[first] or crowded[second])
            and not (fewer[first] or fewer[second])
        ]
        found += judged(freed, fewer)
    return [(places[first], places[second], mirrored) for first, second, mirrored in found]


def _joined(edges: list[tuple[int, int]], number: int) -> np.ndarray:
    """(number,) which nodes of a graph hang together, numbered from 0 in order of appearance."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(edges, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (number, number))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _candidates(thumbnails: np.ndarray) -> tuple[list[tuple[int, int, bool]], np.ndarray]:
    """Pairs of places, the lower first, whose 8×8 pixels correlate, straight or mirrored; (n,) what many resemble."""
    part = SMALL // COARSE
    coarse = thumbnails.reshape(-1, COARSE, part, COARSE, part).mean((2, 4), dtype=np.float32)
    coarse -= coarse.mean((1, 2), keepdims=True)
    coarse[coarse.std((1, 2)) < FLAT] = 0
    coarse /= np.maximum(np.linalg.norm(coarse, axis=(1, 2), keepdims=True), 1e-6)
    straight, flipped = (views.reshape(len(views), -1) for views in (coarse, coarse[:, :, ::-1]))  # (n, 64)
    pairs = []
    resembling = np.zeros(len(straight), np.int64)
    rows = max(1, CELLS // len(straight))
    for start in track(range(0, len(straight), rows), "comparing all pictures"):
        for mirrored, others in ((False, straight), (True, flipped)):
            alike = straight[start : start + rows] @ others[start:].T  # (rows, all from the first of them on)
            alike[:, : len(alike)][np.tri(len(alike), dtype=bool)] = 0  # each pair once
            hits = alike > ALIKE
            resembling[start : start + rows] += hits.sum(1)
            resembling[start:] += hits.sum(0)
            for full in np.flatnonzero(hits.sum(1) > MOST):
                hits[full] = False
                hits[full, np.argpartition(alike[full], -MOST)[-MOST:]] = True
            pairs += [(start + first, start + second, mirrored) for first, second in np.argwhere(hits).tolist()]
    crowded = resembling > max(CROWD, CROWD_SHARE * len(straight))
    if crowded.mean() > OF_A_KIND:
        crowded[:] = True
    return pairs, crowded


def agreement(first: np.ndarray, second: np.ndarray, mirrored: bool = False, exactly: bool = False) -> float:
    """How well the details of two gray pictures agree, −1 to 1.

    Parameters
    ----------
    first, second
        (side, side) of uint8, of one size
    mirrored
        whether the second is mirrored before
    exactly
        whether one lies on the other as it is; else it may be a part of it
    """
    side = len(first)
    one, two = first.astype(np.float32), (second[:, ::-1] if mirrored else second).astype(np.float32)
    best = -1.0
    for whole, part in ((one, two), (two, one)):
        ground = _details(whole, side)
        for scale in SCALES[:1] if exactly else SCALES:
            reach = round(side * scale)
            edge = 0 if exactly else round(reach * 0.1)  # room to move; near its edges a blur sees what lies outside
            patch = _details(cv2.resize(part, (reach, reach), interpolation=cv2.INTER_AREA), side)
            patch = patch[edge : reach - edge, edge : reach - edge]
            if ground.std() < FLAT or patch.std() < FLAT:
                return -1.0
            best = max(best, float(cv2.matchTemplate(ground, patch, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _details(gray: np.ndarray, side: int) -> np.ndarray:
    return gray - cv2.GaussianBlur(gray, (0, 0), 1 + side / 32)
