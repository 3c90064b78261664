"""The frame of an HTML page: one file, no network, light and dark, wide and narrow, on paper too."""

import base64
import html
import io
import re
from dataclasses import dataclass

from PIL import Image

from striate.show.names import printable
from striate.show.table import Column, Table

# on light and on dark paper; no two on light paper are one, so that a colour in a chart says which it is
COLOURS = {
    "paper": ("#ffffff", "#14181c"),
    "ink": ("#1d2329", "#e6eaee"),
    "faint": ("#5c6670", "#9aa6b1"),
    "line": ("#d9dee3", "#323a42"),
    "soft": ("#f4f6f8", "#1d2329"),
    "shade": ("#b8c1ca", "#4a545e"),
    "accent": ("#1f6fb2", "#6cb2ee"),
    "second": ("#b0530b", "#f0a35e"),
    "third": ("#0b7a5b", "#5cc9a7"),
    "fourth": ("#8b3fa8", "#d291e8"),
    "serious": ("#b3261e", "#ff8a80"),
    "look": ("#8a5a00", "#f0b54d"),
    "note": ("#47606f", "#9fb8c7"),
}
LIGHT, DARK = ("; ".join(f"--{name}: {pair[which]}" for name, pair in COLOURS.items()) for which in (0, 1))
STYLE = f"""
:root {{ color-scheme: light dark; {LIGHT}; }}
@media (prefers-color-scheme: dark) {{ :root {{ {DARK}; }} }}"""
STYLE += """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0 0 .5rem; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); font-size: 1.3rem; }
h3 { margin: 1.25rem 0 0; font-size: 1.05rem; } summary h3 { display: inline; }
p { margin: .35rem 0; max-width: 48rem; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.faint { color: var(--faint); }
/* a shade at an edge behind which there is more: the covers move with the content, the shades stay */
.scroll { overflow-x: auto; background:
  linear-gradient(to right, var(--paper) 50%, transparent) left / 3rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 50%, transparent) right / 3rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) left / 1.25rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) right / 1.25rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; font-weight: normal; }
th { min-width: 6.5rem; overflow-wrap: break-word; }
th.number { min-width: 0; }
thead th { color: var(--faint); font-size: .875rem; }
.number { text-align: right; white-space: nowrap; }
.bar { display: block; height: .75rem; min-width: 1px; border-radius: 2px; background: var(--accent); }
details { margin: .6rem 0; padding: .6rem .9rem; border: 1px solid var(--line); border-left-width: 4px;
  border-radius: 6px; }
summary { cursor: pointer; }
.serious { border-left-color: var(--serious); } .look { border-left-color: var(--look); }
.note { border-left-color: var(--note); }
.pictures { display: flex; flex-wrap: wrap; align-items: flex-start; gap: .75rem; margin: .75rem 0; }
.together { display: flex; flex-wrap: wrap; gap: .75rem; padding: .6rem; border-radius: 6px; background: var(--soft); }
figure { width: 8.5rem; margin: 0; font-size: .8rem; line-height: 1.35; }
figcaption { margin-top: .25rem; }
.shown { position: relative; display: inline-block; overflow: hidden; border-radius: 3px; line-height: 0; }
.shown img { max-width: 100%; height: auto; }
.frame { position: absolute; border: 2px solid #fff; outline: 1px solid #000;
  box-shadow: 0 0 0 60rem rgb(0 0 0 / .55); }
.missing { display: flex; align-items: center; justify-content: center; height: 5rem; border: 1px dashed var(--line);
  border-radius: 3px; color: var(--faint); }
svg { max-width: 100%; height: auto; font-size: 12px; }
.cell { display: none; } .cell:target { display: block; padding: .6rem; border-radius: 6px; background: var(--soft); }
.charts { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1.5rem 2.5rem; margin: .75rem 0; }
.matrix td { padding: .2rem .4rem; border: 1px solid var(--line); } .matrix td:first-child { border: 0; }
.matrix .upright { min-width: 0; padding: .2rem .4rem .4rem; vertical-align: bottom; }
.upright span { display: inline-block; max-height: 11rem; overflow: hidden; text-overflow: ellipsis;
  writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
@media print { body { max-width: none; padding: 0; } nav { display: none; } figure, tr { break-inside: avoid; }
  .bar, .frame, .matrix td { print-color-adjust: exact; } }
"""
# nothing is fetched and nothing runs, whatever a file is called
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    title
        its head, as text
    body
        its content, as HTML: every text in it went through `text`
    """

    title: str
    body: str


def text(value: object) -> str:
    """Any text as HTML: nothing in it is a tag, and nothing in it hides.

    Parameters
    ----------
    value
        a name, a number, a sentence

    >>> text("<b>\\n")
    '&lt;b&gt;\\\\n'
    """
    return html.escape(printable(value))


def page(title: str, sections: list[Section], lead: str = "") -> str:
    """A whole page.

    Parameters
    ----------
    title
        its name, as text
    sections
        its parts, each with an entry in the list of contents
    lead
        HTML between the title and the list of contents
    """
    entries = [f'<li><a href="#part{n}">{text(part.title)}</a></li>' for n, part in enumerate(sections, 1)]
    parts = [
        f'<section id="part{n}" aria-labelledby="head{n}">\n<h2 id="head{n}">{text(part.title)}</h2>\n{part.body}\n'
        "</section>"
        for n, part in enumerate(sections, 1)
    ]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{text(title)}</h1>",
            lead,
            f'<nav aria-label="Contents"><ul>{"".join(entries)}</ul></nav>',
            *parts,
            "</main>\n</body>\n</html>\n",
        ]
    )


def table_html(table: Table) -> str:
    """A table on a page, with its title, total and notes.

    Parameters
    ----------
    table
        as a terminal would show it
    """
    heads = "".join(f'<th scope="col"{_side(column)}>{text(column.title)}</th>' for column in table.columns)
    rows = []
    for row in [*table.rows, table.total] if table.total else table.rows:
        cells = [text(table.cell(column, row)) for column in table.columns]
        first = f'<th scope="row"{_side(table.columns[0])}>{cells[0]}</th>'
        others = (f"<td{_side(column)}>{cell}</td>" for column, cell in zip(table.columns[1:], cells[1:], strict=True))
        rows.append(f"<tr>{first}{''.join(others)}</tr>")
    title = f"<p>{text(table.title)}</p>" if table.title else ""
    notes = "".join(f'<p class="faint">{text(note)}</p>' for note in table.notes)
    head = f"<thead><tr>{heads}</tr></thead>" if any(column.title for column in table.columns) else ""
    return f'{title}<div class="scroll"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>{notes}'


def _side(column: Column) -> str:
    return ' class="number"' if column.align == "right" else ""


def figure(
    image: Image.Image | None,
    name: str,
    caption: tuple[str, ...] = (),
    frame: tuple[float, float, float, float] | None = None,
) -> str:
    """A picture inside the page, with its name and lines below it.

    Parameters
    ----------
    image
        small already: it is stored as it is; None is a picture that cannot be shown
    name
        as text; what a person hears who does not see the picture
    caption
        lines below the name, as text
    frame
        a part to outline: top, bottom, left and right as shares of the height and width
    """
    shown = '<div class="missing">cannot be shown</div>'
    if image:
        box = ""
        if frame:
            top, bottom, left, right = (100 * share for share in frame)
            place = f"top:{top:.1f}%;left:{left:.1f}%;width:{right - left:.1f}%;height:{bottom - top:.1f}%"
            box = f'<span class="frame" style="{place}"></span>'
        size = f'width="{image.width}" height="{image.height}"'
        shown = f'<span class="shown"><img src="{data_uri(image)}" {size} alt="{text(name)}">{box}</span>'
    lines = "".join(f'<div class="faint">{text(line)}</div>' for line in caption if line)
    parts = re.sub("([/_])", r"\1<wbr>", text(name))  # a long name is broken between its parts, if it can be
    return f"<figure>{shown}<figcaption><bdi>{parts}</bdi>{lines}</figcaption></figure>"


def picture(image: Image.Image, told: str) -> str:
    """A picture as wide as the page allows, up to its own size.

    Parameters
    ----------
    image
        it is stored as it is
    told
        what it shows, in words
    """
    size = f'width="{image.width}" height="{image.height}"'
    return f'<p class="shown"><img src="{data_uri(image)}" {size} alt="{text(told)}"></p>'


def data_uri(image: Image.Image) -> str:
    """A picture as a JPEG inside an address."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
