"""A file that computes in whole numbers of 8 bits: several times as fast where processors have instructions for them.

Their scales are those that lose least of what the network makes of pictures that it learned from.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx.utils import Extractor

from striate.data.dataset import Dataset
from striate.data.randomness import Purpose, generator
from striate.data.sources.shards import Shards
from striate.errors import DataError, PictureError, WeightsError
from striate.ship.about import FITTED, KEY
from striate.ship.checked import check, sealed
from striate.ship.int8.rounding import Products
from striate.ship.int8.spread import Spread
from striate.ship.int8.whole_numbers import LEVELS, Plan, rewrite
from striate.ship.proof.by_file import read
from striate.ship.proof.record import content_sum
from striate.ship.proof.sides import Picture
from striate.ship.shipped import Shipped, session
from striate.show.names import listed, printable
from striate.show.numbers import count, memory
from striate.show.progress import track
from striate.show.table import json_text
from striate.train.run import Run

PICTURES, LEAST = 200, 8  # to find scales by
SEED = 0  # of which they are
CALIBRATION = "striate.calibration"  # the entry of a file that says what its scales were found by


@dataclass(frozen=True)
class Calibration:
    """What the scales of a file were found by.

    Parameters
    ----------
    seed
        by which pictures were drawn
    sums
        SHA-256 of each, as `striate.ship.proof.record.content_sum` gives it: a certificate has none of these
    """

    seed: int
    sums: tuple[str, ...]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> "Calibration | None":
        """What a file says of it; None of one that computes in floats."""
        told = {entry.key: entry.value for entry in model.metadata_props}.get(CALIBRATION)
        if told is None:
            return None
        values = json.loads(told)
        return cls(**{**values, "sums": tuple(values["sums"])})


def quantised(
    model: onnx.ModelProto, run: Run, *, apart: Collection[str] = (), pictures: int = PICTURES
) -> tuple[onnx.ModelProto, list[str]]:
    """The same model in whole numbers of 8 bits, and what there is to say of it.

    Parameters
    ----------
    model
        of `striate.ship.assembly.assembled`
    run
        that it was made from: pictures that it learned from tell how large numbers become
    apart
        SHA-256 of pictures that are not used for this, since a certificate will judge by them
    pictures
        how many are used, as many of each class as there are; a stream's first
    """
    if pictures < LEAST:
        raise DataError(f"the scales of whole numbers are found by {LEAST} pictures or more, but {pictures} was given")
    content = sealed(model)
    shipped = Shipped(Path("the float file"), check(content, "the float file"), content)
    parts, bad = run.parts(), []
    drawn = islice(_fitted(shipped, _drawn(parts.train), apart, bad), pictures)
    most = pictures if isinstance(parts.train, Shards) else min(pictures, len(parts.train))
    found = dict(track(drawn, f"fitting {count(most)}", most))
    left = f"; {count(len(bad))} could not be read: {listed(bad)}" if bad else ""
    if len(found) < LEAST:
        raise DataError(
            f"the scales of whole numbers are found by {LEAST} pictures or more that the network learned from and that "
            f"its certificate does not show, but {printable(parts.where)} has {len(found)}{left}"
        )
    made = quantise(model, list(found.values()), Calibration(SEED, tuple(found)))
    notes = [
        f"convolutions and fully connected layers compute in whole numbers of 8 bits, all else in floats: "
        f"{memory(made.ByteSize())} instead of {memory(len(content))}",
        f"their scales were found by {count(len(found))} that the network learned from, drawn by seed {SEED}; "
        f"none of them is in a certificate{left}",
    ]
    if parts.fingerprint != run.config["data"]["fingerprint"]:
        notes.append(f"ATTENTION, {printable(parts.where)} has changed since the training")
    return made, notes


def quantise(model: onnx.ModelProto, fitted: Sequence[np.ndarray], calibration: Calibration) -> onnx.ModelProto:
    """A model in whole numbers, by pictures as the network sees them.

    Parameters
    ----------
    model
        in floats
    fitted
        (channels, rows, columns) of uint8 each
    calibration
        what to say of them
    """
    about = check(sealed(model), "the float file")
    if about.numbers != "float32":
        raise WeightsError(f"whole numbers are made of float32, but the model has {about.numbers} already")
    graph_model = ir.from_proto(model)
    plan = Plan(graph_model.graph)
    if not plan.layers:
        raise WeightsError("whole numbers are for convolutions and fully connected layers, but the network has none")
    spreads, seen = _measured(model, plan, fitted)
    rewrite(graph_model.graph, plan, [spread.best(LEVELS) for spread in spreads], seen)
    graph_model.metadata_props[KEY] = replace(about, numbers="int8").to_json()
    graph_model.metadata_props[CALIBRATION] = json_text(asdict(calibration), None)
    made = ir.to_proto(graph_model)
    onnx.checker.check_model(made, full_check=True)
    return made


def _measured(
    model: onnx.ModelProto, plan: Plan, fitted: Sequence[np.ndarray]
) -> tuple[list[Spread], dict[ir.Node, Products]]:
    """How the numbers of each group spread over all pictures, and what the layers see of them."""
    groups, seen = plan.measured(), plan.seen()
    wanted = sorted({name for group in groups for name in group} | {products.activation for products in seen.values()})
    part = Extractor(model).extract_model([FITTED], wanted)
    engine = session(part.SerializeToString(), None)
    spreads, draw = [Spread() for _ in groups], generator(SEED, 1, Purpose.SAMPLE)
    for picture in track(fitted, f"measuring what the network makes of {count(len(fitted))}", len(fitted)):
        numbers = dict(zip(wanted, engine.run(wanted, {FITTED: picture[None]}), strict=True))
        if not all(np.isfinite(each).all() for each in numbers.values()):
            raise WeightsError(
                "whole numbers are made for what a network computes of pictures, but it computes some that are no "
                "numbers: its training diverged, or its weights are damaged"
            )
        for spread, group in zip(spreads, groups, strict=True):
            for name in group:
                spread.add(numbers[name])
        for products in seen.values():
            products.add(numbers[products.activation], draw)
    return spreads, seen


def _fitted(
    shipped: Shipped, pictures: Iterator[Picture], apart: Collection[str], bad: list[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """SHA-256 of each picture, and what the network sees of it; without those that are kept apart, and each once."""
    known = set(apart)
    for picture in pictures:
        if (total := content_sum(picture.content)) in known:
            continue
        known.add(total)
        try:
            yield total, shipped.fit(read(picture, shipped.about.preprocess.background))
        except PictureError as problem:
            bad.append(str(problem))


def _drawn(learned: Dataset | Shards) -> Iterator[Picture]:
    """All pictures in an order that depends on the seed, the classes by turns; those of a stream as they come."""
    if isinstance(learned, Shards):
        for sample in learned.samples(SEED, 0, shuffle=False):
            yield Picture(printable(sample.name), sample.content)
        return
    order = generator(SEED, 0, Purpose.SAMPLE).permutation(len(learned))
    if not learned.several:
        labels = learned.labels[order]
        turn = np.empty(len(labels), int)  # how many of its class are before a picture
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        order = order[np.argsort(turn, kind="stable")]
    for place in order.tolist():
        yield Picture(printable(learned.names[place]), learned.source.read(int(learned.rows[place])))
