"""Certifying: both sides are asked about the same pictures, by turns, and what they say is put side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from striate.data.dataset import Dataset
from striate.errors import DataError, StriateError
from striate.evaluate.figures import Figure, areas
from striate.ship.checked import check
from striate.ship.proof.agreement import agreement
from striate.ship.proof.by_file import Heard
from striate.ship.proof.certificate import Certificate
from striate.ship.proof.limits import Limits, checks, missed
from striate.ship.proof.record import Record, content_sum, room
from striate.ship.proof.sides import Picture, Side
from striate.ship.proof.timing import made_with, timed
from striate.show.names import listed, printable
from striate.show.numbers import count
from striate.show.progress import say, track
from striate.train.learn.tally import wilson
from striate.train.run import Run
from striate.train.transfer.compare import compare

BATCH = 32  # pictures that a side is given at a time, and the larger of the batches that are timed
DRIFTING = 128  # pictures that other decoders and resizers are tried on: each costs as much as the file's own answer
SEED = 0  # of which pictures are drawn


def drawn(data: Dataset, pictures: int | None) -> Dataset:
    """Some pictures of a data set, drawn by a seed that is always the same; they stay in order.

    Parameters
    ----------
    data
        of which
    pictures
        how many; None is all
    """
    if pictures is not None and pictures < 1:
        raise DataError(f"--pictures is a number of at least 1, but is {pictures}")
    if pictures is None or pictures >= len(data):
        return data
    chosen = np.random.default_rng(SEED).choice(len(data), pictures, replace=False)
    return data.part(np.sort(chosen))


def certified(content: bytes, name: str, run: Run, data: Dataset, limits: Limits, notes: list[str]) -> Certificate:
    """Ask an exported file and the network that it was made from about pictures.

    Parameters
    ----------
    content
        of the file
    name
        that it will have
    run
        whose network it is
    data
        pictures with the classes of the run
    limits
        what must be kept to
    notes
        what there is to say of the pictures
    """
    about, learned = check(content, name), calibrated(content)
    say(f"asking the file and the network about {count(len(data))}, each in its own process")
    with Side("file", content) as file, Side("network", run.folder.resolve()) as network:
        said: list[Heard] = []
        answers, read, sums, first = [], [], [], []
        for start, pictures in track(chunks(data), "asking", -(-len(data) // BATCH)):
            said.append(file.ask("answers", pictures, start < DRIFTING))
            kept = [place for place in range(len(pictures)) if place not in said[-1].bad]
            if not (shown := [pictures[place] for place in kept]):
                continue
            answers.append(network.ask("answers", shown))
            first = first or shown
            read += [start + place for place in kept]
            new = [content_sum(picture.content) for picture in shown]
            sums += new
            if used := [picture.name for picture, each in zip(shown, new, strict=True) if each in learned]:
                raise DataError(
                    "the scales of whole numbers must be found by other pictures than a certificate shows, "
                    f"but were by {listed(used)}"
                )
        bad = [reason for each in said for reason in each.bad.values()]
        if not answers:
            raise DataError(f"a certificate needs pictures that can be read, but of {count(len(data))}: {listed(bad)}")
        alone, together = (np.concatenate([getattr(each, way) for each in said]) for way in ("alone", "together"))
        network_says = np.concatenate(answers)
        judged = data.part(np.array(read))
        agree = [
            agreement(each, network_says, judged.names, about.classes, about.several) for each in (alone, together)
        ]
        lost = compare(alone, network_says, judged.labels)
        if reasons := missed(checks(limits, agree[0], agree[1], lost)):
            raise StriateError(f"{name} is not written, since {'; '.join(reasons)}")
        say("timing both, one after the other")
        times = [row for batch in (1, BATCH) for row in timed(file, network, first, batch)]
    if bad:
        notes = [*notes, f"{count(len(bad))} left out, which cannot be read: {listed(bad)}"]
    sides = {"file": alone, "network": network_says}
    few = np.sort(np.random.default_rng(SEED).permutation(len(judged))[: room(len(about.classes))])
    if len(few) < len(judged):
        notes = [*notes, f"it keeps what the network said of {count(len(few))} of these, drawn by a fixed seed"]
    return Certificate(
        file={
            "name": name,
            "sha256": content_sum(content),
            "bytes": len(content),
            "opset": onnx.load_model_from_string(content).opset_import[0].version,
            "network": about.name,
            "classes": len(about.classes),
            "numbers": about.numbers,
            "run": about.run,
            "learned_from": about.fingerprint,
            "licence": about.licence,
        },
        data={
            "name": Path(data.where).name or data.where,
            "fingerprint": judged.fingerprint,
            "pictures": len(judged),
            "left_out": bad,
        },
        limits=limits,
        alone=agree[0],
        together=agree[1],
        accuracy={side: accuracy(each, judged.labels) for side, each in sides.items()},
        lost=lost,
        drift=_drift(said, alone, about.several),
        times=times,
        made_with=made_with(),
        record=Record([sums[place] for place in few], network_says[few]),
        notes=notes,
    )


def calibrated(content: bytes) -> frozenset[str]:
    """SHA-256 of the pictures by which a file's scales were found, whatever they are called; none in floats.

    Parameters
    ----------
    content
        of the file
    """
    from striate.ship.int8.quantised import Calibration

    found = Calibration.of(onnx.load_model_from_string(content))
    return frozenset(found.sums if found else ())


def chunks(data: Dataset) -> Iterator[tuple[int, list[Picture]]]:
    """The pictures of a data set as their files hold them, a few at a time, each time with the place of the first.

    Parameters
    ----------
    data
        the pictures
    """
    for start in range(0, len(data), BATCH):
        places = range(start, min(start + BATCH, len(data)))
        yield (
            start,
            [Picture(printable(data.names[place]), data.source.read(int(data.rows[place]))) for place in places],
        )


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> Figure | None:
    """How good answers are, with an interval; of several labels the mean average precision, None where it has no value.

    Parameters
    ----------
    probabilities
        (n, classes)
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    """
    if labels.ndim == 2:
        return next(iter(areas(probabilities, labels)), None)
    right = int((probabilities.argmax(1) == labels).sum())
    return Figure("right", right / len(labels), *wilson(right, len(labels)))


def _drift(said: list[Heard], alone: np.ndarray, several: bool) -> list[dict[str, Any]]:
    """How far other decoders and resizers move the file's answers."""
    rows = []
    with_drift = [each for each in said if each.otherwise]
    for pipeline in dict.fromkeys(name for each in with_drift for name in each.otherwise):
        # a chunk of nothing but arrays has no decoder
        theirs = np.concatenate([each.otherwise.get(pipeline, each.alone) for each in with_drift])
        readable = ~np.isnan(theirs).any(1)
        own = alone[: len(theirs)][readable]
        told = agreement(theirs[readable], own, [""] * len(own), [""] * own.shape[1], several) if len(own) else None
        rows.append(
            {
                "pipeline": pipeline,
                "pictures": len(own),
                "changed": told.pictures - told.same if told else 0,
                "largest": told.largest if told else 0.0,
                "mean": told.mean if told else 0.0,
                "unread": int((~readable).sum()),
            }
        )
    return rows
