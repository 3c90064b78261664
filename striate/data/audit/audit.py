"""The audit of a data set: what its pictures are, and what is wrong with them; as text, JSON and CSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from striate.data.audit.duplicates import Copies, find_copies
from striate.data.audit.examine import Facts, examine
from striate.data.audit.finders import find, tells_of_heic
from striate.data.audit.findings import Exhibit, Finding, Seen
from striate.data.dataset import Dataset
from striate.data.distort.distortion import PRESETS
from striate.data.distort.draw import TRIES, random_box
from striate.data.sources.classes import class_notes
from striate.data.summary import class_table
from striate.preprocess import Preprocess
from striate.show.names import printable
from striate.show.numbers import count, memory, percent, show_size
from striate.show.table import json_text, plain_text

HEADS = {"serious": "serious", "look": "worth a look", "note": "to know"}
EXAMPLES = 3  # of a finding
PRESET = "photo"  # whose random crop is told of
DRAWS = 64  # of that crop, to tell what it leaves on average


@dataclass
class Audit:
    """What was found in a data set.

    Parameters
    ----------
    data
        the pictures
    facts
        of each picture
    copies
        which pictures are copies of which
    kept
        (n, 2) the share of each picture's area that the test crop and, on average, a random training crop leave
    findings
        the most severe first
    preprocess
        whose crop this is
    done
        what else was done: a page or a table written
    """

    data: Dataset
    facts: list[Facts]
    copies: Copies
    kept: np.ndarray
    findings: list[Finding]
    preprocess: Preprocess
    done: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """One sentence."""
        serious, look = (sum(finding.severity == level for finding in self.findings) for level in ("serious", "look"))
        if serious:
            return f"{count(serious, 'serious finding')}" + (f", and {look} worth a look" if look else "")
        return f"nothing serious; {count(look, 'finding')} worth a look" if look else "nothing is wrong"

    @property
    def sizes(self) -> dict[str, list[int]]:
        """The smallest, the median and the largest height and width of the readable pictures."""
        sizes = np.array([fact.size for fact in self.facts if not fact.fault]).reshape(-1, 2)
        if not len(sizes):
            return {}
        stages = {"smallest": sizes.min(0), "median": np.median(sizes, axis=0), "largest": sizes.max(0)}
        return {name: [int(side) for side in size] for name, size in stages.items()}

    @property
    def summary(self) -> list[str]:
        """A few lines on all pictures."""
        readable = np.array([not fact.fault for fact in self.facts], bool)
        space = memory(sum(fact.length for fact in self.facts))
        where = printable(self.data.where)
        lines = [f"{where}: {count(len(self.data))} in {count(len(self.data.classes), 'class')}, {space}"]
        if readable.any():
            small, median, large = self.sizes.values()
            sides = [
                f"{word} {a} to {b}" for word, a, b in zip(("height", "width"), small, large, strict=True) if a < b
            ]
            middle = f"median {show_size(tuple(median))}" if sides else f"all {show_size(tuple(small))}"
            lines.append(", ".join([*sides, middle]))
            test, train = np.median(self.kept[readable], axis=0)
            size, resize = show_size(self.preprocess.size), self.preprocess.resize
            lines.append(
                f"of the median picture the test crop ({size}{f' from a short side of {resize}' if resize else ''}) "
                f"leaves {percent(test)}, the random crop of the preset {PRESET} {percent(train)} on average"
            )
        return lines

    @property
    def notes(self) -> list[str]:
        """What opening the data told, but for what is among the findings."""
        told = class_notes(self.data.labels, self.data.splits, self.data.classes)
        return [note for note in self.data.notes if note not in told and not tells_of_heic(note)]

    def to_json(self) -> str:
        """Everything but the pictures."""
        data = self.data
        told = {
            "where": data.where,
            "pictures": len(data),
            "skipped": len(data.skipped),
            "verdict": self.verdict,
            "classes": class_table(data, most=len(data.classes)).rows,
            "sizes": self.sizes,
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "sentence": finding.sentence,
                    "suggestion": finding.suggestion,
                    "groups": [[_row(one) for one in group] for group in finding.groups],
                }
                for finding in self.findings
            ],
            "notes": self.notes,
            "done": self.done,
        }
        return json_text(told)

    def to_csv(self) -> str:
        """A row per picture of a finding, and one for a finding without pictures."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["kind", "severity", "group", "name", "split", "label", "detail"])
        for finding in self.findings:
            for number, group in enumerate(finding.groups or ((Exhibit("", detail=finding.sentence),),), 1):
                for one in group:
                    row = _row(one) | {"name": printable(one.name)}
                    writer.writerow([finding.kind, finding.severity, number, *row.values()])
        return text.getvalue()

    def __str__(self) -> str:
        return plain_text(self)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        for number, line in enumerate(self.summary):
            yield Text(line, style="" if number else "bold")
        yield class_table(self.data)
        for note in self.notes:
            yield Text(f"note: {note}", style="dim")
        for level, head in HEADS.items():
            findings = [finding for finding in self.findings if finding.severity == level]
            if findings:
                yield Text(f"\n{head}", style="bold")
            for finding in findings:
                yield Text(f"• {finding.kind}: {finding.sentence}")
                for group in finding.groups[:EXAMPLES]:
                    yield Text(f"    {_line(group)}", style="dim")
                if len(finding.groups) > EXAMPLES:
                    yield Text(f"    and {len(finding.groups) - EXAMPLES:,} more", style="dim")
                if finding.suggestion:
                    yield Text(f"  → {finding.suggestion}")
        yield Text(f"\n{self.verdict}", style="bold")
        for line in self.done:
            yield Text(line)


def audit(data: Dataset) -> Audit:
    """Look at every picture of a data set for what would harm learning from it.

    Parameters
    ----------
    data
        the pictures
    """
    facts = examine(data)
    preprocess = usual_input(facts)
    copies = find_copies(data)
    kept = shares(facts, preprocess)
    return Audit(data, facts, copies, kept, find(Seen(data, facts, copies, kept, preprocess)), preprocess)


def usual_input(facts: list[Facts]) -> Preprocess:
    """The input that most networks take, or that of networks for small pictures, where most pictures are small."""
    usual, sizes = Preprocess(), np.array([fact.size for fact in facts if not fact.fault])
    if not len(sizes) or np.median(sizes.min(axis=1)) >= min(usual.size) / 2:
        return usual
    height, width = np.median(sizes, axis=0).astype(int).tolist()
    return replace(usual, size=(height, width), resize=None)


def shares(facts: list[Facts], preprocess: Preprocess) -> np.ndarray:
    """(n, 2) the share of each picture's area that the test crop and a random training crop leave; 1 if unreadable."""
    crop = PRESETS[PRESET]
    numbers = np.random.default_rng(0).random((DRAWS, 2 + 2 * TRIES)).tolist()
    found: dict[tuple[int, int], tuple[float, float]] = {(0, 0): (1.0, 1.0)}
    for size in {fact.size for fact in facts if not fact.fault}:
        tall, wide = preprocess.fitted(size)
        test = min(1.0, preprocess.size[0] / tall) * min(1.0, preprocess.size[1] / wide)
        boxes = [random_box(size, preprocess.size, crop.crop, crop.aspect, u) for u in numbers]
        train = float(np.mean([height * width for _, _, height, width in boxes])) / (size[0] * size[1])
        found[size] = test, train
    return np.array([found[(0, 0) if fact.fault else fact.size] for fact in facts]).reshape(-1, 2)


def _row(one: Exhibit) -> dict[str, str]:
    return {"name": one.name, "split": one.split, "label": one.label, "detail": one.detail}


def _line(group: tuple[Exhibit, ...]) -> str:
    first, *others = group
    if others:
        more = f" = … {len(group) - EXAMPLES:,} more" if len(group) > EXAMPLES else ""
        return " = ".join(f"{printable(one.name)} ({one.label})" for one in group[:EXAMPLES]) + more
    return f"{printable(first.name)} ({first.detail})" if first.detail else printable(first.name)
