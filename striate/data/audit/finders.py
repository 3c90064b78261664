"""Finders: each looks for one kind of trouble among pictures that were examined."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import PurePosixPath

import numpy as np

from striate.data.audit.examine import SMALL, Facts
from striate.data.audit.findings import SEVERITIES, Exhibit, Finding, Seen, Severity, agree, copy_groups, exhibit
from striate.data.dataset import SPLITS
from striate.data.sources.classes import class_counts
from striate.data.sources.folders import heic_pictures
from striate.data.sources.opened import Files
from striate.pictures.opened import ENDINGS, FORMATS
from striate.show.names import listed, printable
from striate.show.numbers import count, percent, show_size

FEW = 10  # training pictures, of which little is learned
UNEVEN, VERY_UNEVEN = 3, 10  # times as many pictures in the largest class as in the smallest
MANY = 0.05  # a share of the pictures that is worth another setting
KEEP_ONE = "keep one of each"


def find(seen: Seen) -> list[Finding]:
    """Every finding, the most severe first."""
    finders: tuple[Callable[[Seen], Iterator[Finding]], ...] = (
        _copies, _faults, _heic, _classes, _names, _sizes, _crops, _forms
    )  # fmt: skip
    found = [finding for finder in finders for finding in finder(seen)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _copies(seen: Seen) -> Iterator[Finding]:
    data, copies = seen.data, seen.copies
    sets: dict[str, list[np.ndarray]] = {"across": [], "conflict": [], "exact": [], "near": []}
    for places in copy_groups(copies.components):
        across, conflict = len(set(data.splits[places].tolist())) > 1, not agree(data, places)
        if across:
            sets["across"].append(places)
        if conflict:
            sets["conflict"].append(places)
        if not across and not conflict:
            sets["exact" if len(set(copies.exact[places].tolist())) == 1 else "near"].append(places)
    first_of = dict(zip(copies.exact[::-1].tolist(), range(len(data) - 1, -1, -1), strict=True))

    def shown(places: np.ndarray) -> tuple[Exhibit, ...]:
        def how(place: int) -> str:
            if place == places[0]:
                return ""
            if copies.exact[place] == copies.exact[places[0]]:
                return "the same bytes"
            pair = sorted(first_of[int(copies.exact[one])] for one in (place, places[0]))
            return "a mirrored copy" if tuple(pair) in copies.mirrored else "a near copy"

        return tuple(exhibit(data, place, how(place)) for place in places.tolist())

    texts: dict[str, tuple[str, Severity, str, str]] = {
        "across": (
            "copies across splits",
            "serious",
            "lie in several splits: what was learned by heart would count as understood",
            "leave out the training copies",
        ),
        "conflict": (
            "copies with different labels",
            "serious",
            "have different labels: one is wrong, or a picture has several (a recoloured copy may be right)",
            "correct the labels, or leave out all of them",
        ),
        "exact": ("exact duplicates", "look", "are the same to the byte as another one of their split", KEEP_ONE),
        "near": ("near duplicates", "look", "are nearly the same as another one of their split", KEEP_ONE),
    }
    for name, (kind, severity, what, advice) in texts.items():
        if sets[name]:
            many = f"{count(sum(map(len, sets[name])))} in {count(len(sets[name]), 'set')} of copies"
            yield Finding(kind, severity, f"{many} {what}", advice, tuple(map(shown, sets[name])))
    if copies.small:
        yield Finding(
            "too small for near copies",
            "note",
            f"{count(copies.small)} of less than {SMALL} pixels a side: only exact copies were looked for",
        )


def _faults(seen: Seen) -> Iterator[Finding]:
    whats = {
        "empty": "0 bytes",
        "truncated": "cut short, as by a download that broke off",
        "damaged": "damaged in the middle: from there on it shows gray, or something else",
        "too large": "larger than what is read",
        "unreadable": "cannot be read",
        "left out": "cannot be used and would be left out",
    }
    faults: dict[str, list[Exhibit]] = {fault: [] for fault in whats}
    for place, fact in enumerate(seen.facts):
        if fact.fault:
            faults[fact.fault].append(exhibit(seen.data, place, _without_name(fact.reason, seen.data.names[place])))
    for problem in seen.data.skipped:
        kind = "empty" if "is empty: it has 0 bytes" in problem.reason else "left out"
        faults[kind].append(Exhibit(problem.name, detail=_without_name(problem.reason, problem.name)))
    for fault, shown in faults.items():
        if shown:
            sentence = f"{count(len(shown))}: {whats[fault]}"
            them = _of(shown, "it", "them")
            again = f"fetch {them} again, or leave {them} out"
            advice = {"left out": "correct the data", "too large": f"shrink {them}"}.get(fault, again)
            yield Finding(fault, "serious", sentence, advice, tuple((one,) for one in shown))


def _heic(seen: Seen) -> Iterator[Finding]:
    source = seen.data.source
    if any(map(tells_of_heic, seen.data.notes)) and isinstance(source, Files):  # else its tree need not be listed
        names = heic_pictures(source.tree)
        yield Finding(
            "HEIC",
            "serious" if len(names) > MANY * len(seen.data) else "look",
            f"{count(len(names))} in HEIC, which is not read",
            f"convert {_of(names, 'it', 'them')} to JPEG",
            tuple((Exhibit(name),) for name in names),
        )


def tells_of_heic(note: str) -> bool:
    """Whether a note of opening is one on pictures in HEIC, which are a finding here."""
    return note.startswith("ATTENTION, HEIC is not read")


def _of(things: Sized, one: str, many: str) -> str:
    return one if len(things) == 1 else many


def _without_name(reason: str, name: str) -> str:
    return printable(reason).removeprefix(f"{printable(name)} ")


def _classes(seen: Seen) -> Iterator[Finding]:
    data = seen.data
    counts = {split: class_counts(data.labels[data.splits == split], data.classes) for split in SPLITS}
    train = counts["train"]
    if len(data.classes) == 1 and len(data):
        sentence = f"there is one class only, {printable(data.classes[0])}: nothing can be told apart"
        yield Finding("one class", "look", sentence, "add another one, or see whether the right folder was opened")
    for split in SPLITS:
        lacking = np.flatnonzero(counts[split] == 0)
        if counts[split].any() and len(lacking):
            names = listed([data.classes[place] for place in lacking])
            them, they = _of(lacking, "it", "them"), _of(lacking, "it is", "they are")
            learned = f"nothing is learned of {them}" if split == "train" else f"nobody knows how well {they} told"
            severity: Severity = "serious" if split == "train" else "look"
            sentence = f"{count(len(lacking), 'class')} without a picture in {split}: {names}; {learned}"
            yield Finding(f"classes missing in {split}", severity, sentence, "add pictures, or leave the class away")
    few = [place for place in np.flatnonzero((train > 0) & (train < FEW)) if train.any()]
    if few:
        names = listed([f"{data.classes[place]} ({train[place]})" for place in few])
        sentence = f"{count(len(few), 'class')} with fewer than {FEW} training pictures: {names}"
        yield Finding("few pictures", "look", sentence, "collect more, or join classes")
    present = np.flatnonzero(train)
    if len(present) > 1:
        large, small = present[np.argmax(train[present])], present[np.argmin(train[present])]
        ratio = train[large] / train[small]
        if ratio >= UNEVEN:
            yield Finding(
                "imbalance",
                "look" if ratio >= VERY_UNEVEN else "note",
                f"{printable(data.classes[large])} has {ratio:.1f} times as many training pictures as "
                f"{printable(data.classes[small])}: {train[large]:,} and {train[small]:,}",
                "draw classes evenly or weigh them, and judge by the accuracy of each class",
            )


def _names(seen: Seen) -> Iterator[Finding]:
    shown = []
    for place, fact in enumerate(seen.facts):
        ending = PurePosixPath(seen.data.names[place]).suffix.lower()
        if fact.format and not fact.fault and ending in ENDINGS and ending not in FORMATS.get(fact.format, ()):
            shown.append((exhibit(seen.data, place, f"it is {fact.format}"),))
    if shown:
        them = _of(shown, "it", "them")
        sentence = f"{count(len(shown))} of another format than the name says; striate reads {them}, others may not"
        yield Finding("wrongly named", "look", sentence, f"rename {them}", tuple(shown))


def _sizes(seen: Seen) -> Iterator[Finding]:
    least = min(seen.preprocess.size) // 2
    small = [place for place, fact in enumerate(seen.facts) if not fact.fault and min(fact.size) < least]
    if small:
        sizes = {seen.facts[place].size for place in small}
        same = f", all {show_size(sizes.pop())}" if len(sizes) == 1 and len(small) > 1 else ""
        yield Finding(
            "small pictures",
            "note" if len(small) == len(seen.facts) else "look",
            f"{count(len(small))} with a side below {least} pixels{same}: enlarged to "
            f"{show_size(seen.preprocess.size)}, {_of(small, 'it is', 'they are')} blurred",
            "a network with a smaller input"
            if len(small) > MANY * len(seen.facts)
            else f"look whether {_of(small, 'it helps', 'they help')}",
            _singles(seen, sorted(small, key=lambda place: min(seen.facts[place].size)), lambda f: show_size(f.size)),
        )


def _crops(seen: Seen) -> Iterator[Finding]:
    share = seen.kept[:, 0]
    readable = sum(not fact.fault for fact in seen.facts)
    worst = [int(place) for place in np.argsort(share, kind="stable") if share[place] < 0.5]
    if worst:
        shown = tuple((exhibit(seen.data, place, f"{percent(share[place])} is left"),) for place in worst)
        yield Finding(
            "cropped away",
            "look" if len(worst) > MANY * readable else "note",
            f"{count(len(worst))} of {readable:,} {_of(worst, 'loses', 'lose')} more than half of "
            f"{_of(worst, 'its', 'their')} area to the test crop; "
            f"of {printable(seen.data.names[worst[0]])} {percent(share[worst[0]])} is left",
            "`striate train --fit pad` or `squash` keeps whole pictures" if len(worst) > MANY * readable else "",
            shown,
        )


def _forms(seen: Seen) -> Iterator[Finding]:
    modes = Counter(fact.mode for fact in seen.facts if not fact.fault)
    if len(modes) > 1:
        usual = modes.most_common(1)[0][0]
        other = [place for place, fact in enumerate(seen.facts) if not fact.fault and fact.mode != usual]
        kinds = ", ".join(f"{number:,} {mode}" for mode, number in modes.most_common())
        told = "see that no class is known by its kind of picture"
        yield Finding("colour modes", "note", f"{kinds}: all become one", told, _singles(seen, other, lambda f: f.mode))
    asked: tuple[tuple[str, Severity, str, Callable[[Facts], str]], ...] = (
        ("turned", "note", "turned upright, as EXIF says; tools that ignore that show another side up", _turn),
        ("animations", "look", "with several frames, of which the first is used", _frames),
        ("decoder's remarks", "note", "read with a remark of the decoder", lambda f: "; ".join(_remarks(f.notes))),
    )
    for kind, severity, what, detail in asked:
        places = [place for place, fact in enumerate(seen.facts) if not fact.fault and detail(fact)]
        if places:
            yield Finding(kind, severity, f"{count(len(places))} {what}", "", _singles(seen, places, detail))


def _turn(fact: Facts) -> str:
    return f"orientation {fact.turn}" if fact.turn > 1 else ""


def _frames(fact: Facts) -> str:
    return f"{fact.frames} frames" if fact.frames > 1 else ""


def _remarks(notes: Iterable[str]) -> list[str]:
    return [note for note in notes if note.startswith(("while reading", "its EXIF"))]


def _singles(seen: Seen, places: list[int], detail: Callable[[Facts], str]) -> tuple[tuple[Exhibit, ...], ...]:
    return tuple((exhibit(seen.data, place, printable(detail(seen.facts[place]))),) for place in places)
