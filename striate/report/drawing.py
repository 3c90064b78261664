"""A network's stages as boxes: as high as its maps, as deep as it has channels."""

from math import log2, sqrt

from striate.measure.ledger import Ledger
from striate.show.numbers import exact, short, show_size
from striate.show.page import text

HIGHEST, LOWEST = 120, 10  # pixels of a box's side
DEEPER = 9  # pixels a doubling of the channels
SLANT = 0.3  # of a box's side, that its top is shifted by
GAP, TOP, LINE = 26, 14, 15
LEAST = 116  # pixels of a box's place, for the words below it


def drawing(ledger: Ledger) -> str:
    """A box for the picture and for each stage, from left to right, with words below.

    Parameters
    ----------
    ledger
        of the network, by stage
    """
    height, width, channels = ledger.input
    boxes: list[tuple[str, tuple[int, ...], tuple[str, ...]]] = [("picture", (height, width, channels), ())]
    for row in ledger.table.rows:
        size = tuple(row["output"])
        costs = tuple(
            f"{number} {unit}"
            for number, unit in ((short(row["macs"]), "MACs"), (short(row["parameters"]), "parameters"))
            if number != "0"
        )
        boxes.append((str(row["layer"]), size if len(size) == 3 else (1, 1, size[-1]), costs))
    scale = HIGHEST / sqrt(max(size[0] for _, size, _ in boxes))
    ground = TOP + HIGHEST * (1 + SLANT)
    left, parts = float(GAP), []
    for number, (name, size, costs) in enumerate(boxes):
        side = max(LOWEST, scale * sqrt(size[0]))
        deep = 6 + DEEPER * log2(size[2])
        place = max(LEAST, deep + SLANT * side)
        start = left + (place - deep - SLANT * side) / 2
        parts.append(_box(start, ground, deep, side, "--faint" if number == 0 else "--accent"))
        words = [name, show_size(size), *costs]
        parts += [
            f'<text x="{left + place / 2:.1f}" y="{ground + 20 + LINE * line:.1f}" text-anchor="middle" '
            f'style="fill: var({"--faint" if line else "--ink"})">{text(word)}</text>'
            for line, word in enumerate(words)
        ]
        left += place + GAP
    told = "; ".join(f"{name}: {show_size(size)}" for name, size, _ in boxes)
    total = f"{exact(ledger.totals.parameters)} parameters"
    return (
        f'<div class="scroll"><svg viewBox="0 0 {left:.0f} {ground + 4 * LINE + 20:.0f}" width="{left:.0f}" '
        f'style="max-width: none" role="img" aria-label="The network, {text(total)}. {text(told)}">{"".join(parts)}'
        '</svg></div><p class="faint">Boxes are as high as the root of the rows of their maps, as wide as the '
        "logarithm of the channels.</p>"
    )


def _box(left: float, ground: float, deep: float, side: float, ink: str) -> str:
    """A box seen from the left and above: channels to the right, rows upwards, columns to the back."""
    back, top = SLANT * side, ground - side
    faces = {
        12: f"M{left:.1f} {top:.1f}h{deep:.1f}v{side:.1f}h{-deep:.1f}z",
        24: f"M{left:.1f} {top:.1f}l{back:.1f} {-back:.1f}h{deep:.1f}l{-back:.1f} {back:.1f}z",
        40: f"M{left + deep:.1f} {top:.1f}l{back:.1f} {-back:.1f}v{side:.1f}l{-back:.1f} {back:.1f}z",
    }
    return "".join(
        f'<path d="{path}" style="stroke: var({ink}); fill: color-mix(in srgb, var({ink}) {share}%, var(--paper))"/>'
        for share, path in faces.items()
    )
