"""The audit as one HTML page with thumbnails."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from striate.data.audit.audit import HEADS, PRESET, Audit
from striate.data.audit.findings import Exhibit, Finding, exhibit
from striate.data.summary import class_table
from striate.data.thumbnails import thumbnail
from striate.files import write_whole
from striate.show.charts import sizes
from striate.show.drawing import inline
from striate.show.names import printable
from striate.show.numbers import count, exact, percent, show_size
from striate.show.page import Section, figure, page, text

SIDE = 120  # of a thumbnail
GROUPS, TOGETHER = 24, 6  # shown of a finding, and of a set of copies; the others are counted
WORST = 18  # of the crop
CLASSES = 200
DOTS = 3000  # sizes on the chart


def write_page(audit: Audit, output: Path) -> str:
    """Write the page; returns a line that says so.

    Parameters
    ----------
    audit
        what was found
    output
        a path that ends in .html
    """
    content = audit_page(audit).encode("utf-8")
    write_whole(output, lambda file: file.write(content))
    return f"written: {printable(output)}"


def audit_page(audit: Audit) -> str:
    """The page as HTML.

    Parameters
    ----------
    audit
        what was found
    """
    thumbnails = _Thumbnails(audit)
    sections = [Section("Classes", _classes(audit))]
    for level, head in HEADS.items():
        if body := _findings(audit, level, thumbnails):
            sections.append(Section(f"{head[0].upper()}{head[1:]}", body))
    readable = [place for place, fact in enumerate(audit.facts) if not fact.fault]
    if len({audit.facts[place].size for place in readable}) > 1:  # one dot is no chart
        sections.append(Section("Sizes", _sizes(audit)))
    shares = audit.kept[readable, 0]
    if readable and (np.ptp(shares) > 0 or shares.min() < 0.5):
        sections.append(Section("What the crops leave", _crops(audit, thumbnails)))
    return page(f"Check of {Path(audit.data.where).name or audit.data.where}", sections, _lead(audit))


def audit_section(audit: Audit) -> str:
    """What was found, as a part of another page: all but remarks.

    Parameters
    ----------
    audit
        what was found
    """
    thumbnails = _Thumbnails(audit)
    return _lead(audit) + "".join(_findings(audit, level, thumbnails) for level in HEADS if level != "note")


def _lead(audit: Audit) -> str:
    lines = [f"<p><strong>{text(audit.verdict)}</strong></p>", *(f"<p>{text(line)}</p>" for line in audit.summary)]
    return "".join(lines + [f'<p class="faint">{text(note)}</p>' for note in audit.notes])


def _findings(audit: Audit, level: str, thumbnails: "_Thumbnails") -> str:
    return "\n".join(_finding(finding, thumbnails) for finding in audit.findings if finding.severity == level)


class _Thumbnails:
    """Small pictures, each decoded once."""

    def __init__(self, audit: Audit):
        self._audit = audit
        self._known: dict[int, Image.Image | None] = {}

    def __call__(self, place: int | None) -> Image.Image | None:
        if place is None or self._audit.facts[place].fault:
            return None
        if place not in self._known:
            self._known[place] = thumbnail(self._audit.data, place, SIDE)
        return self._known[place]


def _classes(audit: Audit) -> str:
    """A row per class, with a bar for its pictures in the first split: train, where there is one."""
    table = class_table(audit.data, CLASSES)
    splits = [column.key for column in table.columns[1:-1]]  # without the sum, for want of width
    if not splits:
        return "<p>There are no pictures.</p>"
    first = splits[0]
    largest = max(1, *(row[first] for row in table.rows))
    heads = "".join(f'<th scope="col" class="number">{split}</th>' for split in splits)
    rows = []
    for row in table.rows:
        numbers = "".join(f'<td class="number">{exact(row[split])}</td>' for split in splits)
        bar = f'<span class="bar" style="width:{100 * row[first] / largest:.1f}%"></span>'
        rows.append(f'<tr><th scope="row"><bdi>{text(row["class"])}</bdi></th>{numbers}<td>{bar}</td></tr>')
    notes = "".join(f'<p class="faint">{text(note)}</p>' for note in table.notes)
    return (
        '<div class="scroll"><table style="width:100%"><thead><tr><th scope="col">class</th>'
        f'{heads}<th scope="col" style="width:50%">{first}</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{notes}"
    )


def _finding(finding: Finding, thumbnails: _Thumbnails) -> str:
    told = re.sub("`(.+?)`", r"<code>\1</code>", text(finding.suggestion))
    advice = f'<p class="faint">→ {told}</p>' if told else ""
    if finding.kind == "cropped away":  # with what is left of them outlined
        shown = (
            '<p class="faint">What is left is shown at the end of the page of <code>striate check --page</code>.</p>'
        )
    else:
        shown = "".join(_group(group, thumbnails) for group in finding.groups[:GROUPS])
        shown = f'<div class="pictures">{shown}</div>' if shown else ""
        hidden = len(finding.groups) - GROUPS
        shown += f'<p class="faint">and {hidden:,} more, which --json lists</p>' if hidden > 0 else ""
    return (
        f'<details class="{finding.severity}"{" open" if finding.severity != "note" else ""}>'
        f"<summary><h3>{text(finding.kind)}</h3></summary>\n<p>{text(finding.sentence)}</p>{advice}{shown}</details>"
    )


def _group(group: tuple[Exhibit, ...], thumbnails: _Thumbnails) -> str:
    figures = "".join(_figure(one, thumbnails) for one in group[:TOGETHER])
    if len(group) == 1:
        return figures
    more = f'<p class="faint">and {len(group) - TOGETHER:,} more</p>' if len(group) > TOGETHER else ""
    return f'<div class="together">{figures}{more}</div>'


def _figure(one: Exhibit, thumbnails: _Thumbnails, frame: tuple[float, float, float, float] | None = None) -> str:
    where = " · ".join(part for part in (one.split, one.label) if part)
    return figure(thumbnails(one.place), one.name, (where, one.detail), frame)


def _crops(audit: Audit, thumbnails: _Thumbnails) -> str:
    """The pictures that lose most, with what is left outlined."""
    share, trained = audit.kept.T
    readable = np.array([place for place, fact in enumerate(audit.facts) if not fact.fault], np.int64)
    less = int((share[readable] < 0.5).sum())
    worst = readable[np.argsort(share[readable], kind="stable")][:WORST]
    worst = worst[share[worst] < 1]
    figures = []
    for place in worst.tolist():
        size = audit.preprocess.fitted(audit.facts[place].size)
        spans = [min(1.0, inner / outer) / 2 for inner, outer in zip(audit.preprocess.size, size, strict=True)]
        frame = 0.5 - spans[0], 0.5 + spans[0], 0.5 - spans[1], 0.5 + spans[1]
        left = f"{percent(share[place])} is left; random crops leave {percent(trained[place])}"
        figures.append(_figure(exhibit(audit.data, place, left), thumbnails, frame))
    told = " The pictures that lose most to the test crop, with what it leaves outlined:" if figures else ""
    least = readable[np.argmin(trained[readable])]
    lose = "loses more than half of its" if less == 1 else "lose more than half of their"
    return (
        f"<p>{less:,} of {count(len(readable))} {lose} area to the test crop. Of "
        f"{text(audit.data.names[least])} the random crops of the preset {PRESET} leave {percent(trained[least])} on "
        f"average, and of no picture less.{told}</p>"
        f'<div class="pictures">{"".join(figures)}</div>'
    )


def _sizes(audit: Audit) -> str:
    """Width against height, with the network's input."""
    numbers = Counter(fact.size for fact in audit.facts if not fact.fault)
    height, width = audit.preprocess.size
    shown = {(wide, tall): number for (tall, wide), number in numbers.most_common(DOTS)}
    chart = sizes("Heights and widths of the pictures", shown, "width", "height", (width, height))
    usual = ", ".join(f"{show_size(size)} ({number:,})" for size, number in numbers.most_common(3))
    return (
        f"{inline(chart)}<p>{count(len(numbers), 'size')}, most often {usual}; dashed: the network's input, "
        f"{show_size((height, width))}.</p>"
    )
