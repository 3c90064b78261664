"""`striate certify`: an exported file checked again, later and elsewhere, without the run that it came from."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from striate.data.dataset import Dataset, OnBad
from striate.errors import DataError, StriateError, WeightsError, one_of
from striate.evaluate.figures import Figure
from striate.evaluate.pictures import CHOSEN, SPLITS, Split, held_out, left_out, refuse_other_labels
from striate.ship.about import About, certificate_path
from striate.ship.proof.agreement import Agreement, agreement
from striate.ship.proof.by_file import Heard
from striate.ship.proof.certificate import FORMAT, accuracy_table, figure_row
from striate.ship.proof.certifying import BATCH, SEED, accuracy, calibrated, chunks, drawn
from striate.ship.proof.limits import Check, Limits, check_table, checks, missed
from striate.ship.proof.record import Record, content_sum
from striate.ship.proof.sides import Side
from striate.ship.proof.timing import made_with
from striate.ship.shipped import Shipped, open_shipped
from striate.show.names import listed, printable
from striate.show.numbers import count, exact
from striate.show.progress import track
from striate.show.table import json_text
from striate.train.parts import refuse_other_classes
from striate.train.train import NO_KEYS
from striate.train.transfer.compare import Comparison, compare


@dataclass(frozen=True)
class Certified:
    """How an exported file does here.

    Parameters
    ----------
    file
        its name and SHA-256
    pictures
        that it was shown
    accuracy
        of its answers; None of several labels where no class has pictures with and without it
    agreement
        with what its certificate says that the network answered
    checks
        the certificate's limits, here
    made_with
        versions and machine
    notes
        what was shown, and what could not be checked
    """

    file: dict[str, str]
    pictures: int
    accuracy: Figure | None
    agreement: Agreement
    checks: list[Check]
    made_with: dict[str, str]
    notes: list[str]

    def to_json(self) -> str:
        """All of it."""
        return json_text(asdict(self))

    def to_csv(self) -> str:
        """A row for each limit."""
        return check_table(self.checks, []).to_csv()

    def __rich_console__(self, console, options) -> Iterator[Any]:
        from rich.text import Text

        yield accuracy_table([figure_row(self.file["name"], self.accuracy)])
        yield check_table(self.checks, self.agreement.told_ties)
        for note in self.notes:
            yield Text(note)

    def __str__(self) -> str:
        from striate.show.table import plain_text

        return plain_text(self)


def certify(
    file: Path,
    data: Annotated[str | Path | Dataset, NO_KEYS],
    *,
    split: Split | None = None,
    pictures: int | None = None,
    on_bad: OnBad = "stop",
) -> Certified:
    """Check an exported file again, on this machine: how good it is, and whether it still answers like its network.

    Its certificate must lie beside it, which keeps what the network said of its pictures: those of DATA that are among
    them, whatever they are called now, are held to the same limits; without any, nothing is certified. It needs no run.

    Parameters
    ----------
    file
        that `striate export` wrote
    data
        pictures with the same classes
    split
        val or test, and no others; if absent all of them, or of the data that it learned from those held out
    pictures
        how many of them, drawn by a fixed seed, first those that the certificate knows; all if absent
    on_bad
        stop at a picture that has no class, or skip such, which is told
    """
    one_of("--on-bad", on_bad, OnBad)
    if split is not None:
        one_of("--split", split, Split)
    file = Path(file)
    shipped = open_shipped(file)
    about = shipped.about
    record, limits, certified = _kept(file, shipped)
    found, own, notes = _opened(about, data, split, on_bad)
    shown = _drawn(found, pictures, record)
    if len(shown) < len(found):
        notes.append(f"{count(len(shown))} of these {'was' if len(shown) == 1 else 'were'} drawn, by a fixed seed")
    said: list[Heard] = []
    read, sums = [], []
    with Side("file", shipped.content) as side:
        for start, some in track(chunks(shown), f"asking about {count(len(shown))}", -(-len(shown) // BATCH)):
            said.append(side.ask("answers", some))
            places = [place for place in range(len(some)) if place not in said[-1].bad]
            read += [start + place for place in places]
            sums += [content_sum(some[place].content) for place in places]
    bad = [reason for each in said for reason in each.bad.values()]
    if not read:
        raise DataError(f"a file is judged by pictures that can be read, but of {count(len(shown))}: {listed(bad)}")
    if bad:
        notes.append(f"{count(len(bad))} left out, which cannot be read: {listed(bad)}")
    if used := len(calibrated(shipped.content).intersection(sums)):
        notes.append(f"ATTENTION, by {count(used)} of these the scales of the file's whole numbers were found")
    judged = shown.part(np.array(read))
    ways = [np.concatenate([getattr(each, way) for each in said]) for way in ("alone", "together")]
    if not set(record.sums).intersection(sums):
        raise DataError(
            f"a file is certified by pictures that its certificate knows, but of {count(len(judged))} of "
            f"{printable(found.where)} it knows none, so nothing could be compared; show it some of the "
            f"{exact(len(record.sums))} that the export was certified with"
        )
    agree, lost, together = _compared(record, about, judged, sums, ways)
    notes.append(
        f"{exact(agree.pictures)} of these {'is' if agree.pictures == 1 else 'are'} among the "
        f"{count(len(record.sums))} that the certificate knows"
    )
    if (new := len(judged) - agree.pictures) and not own:
        notes.append(
            f"ATTENTION, whether the network learned from the other {exact(new)} is not known here: if it did, the "
            "accuracy above is too good; `striate evaluate RUN DATA` tells"
        )
    found_checks = checks(limits, agree, together, lost, agree.pictures >= certified)
    made = made_with()
    notes.append(f"onnxruntime {made['onnxruntime']}, {made['machine']}")
    if reasons := missed(found_checks):
        raise StriateError(f"{printable(file)} does not keep to its certificate here: {'; '.join(reasons)}")
    names = {"name": file.name, "sha256": shipped.sum}
    return Certified(names, len(judged), accuracy(ways[0], judged.labels), agree, found_checks, made, notes)


def _kept(file: Path, shipped: Shipped) -> tuple[Record, Limits, int]:
    """What the certificate beside a file says that the network answered, its limits, and by how many pictures."""
    path = certificate_path(file)
    if not path.exists():
        raise WeightsError(
            f"{printable(path)} must lie beside {printable(file)}, since it says what the network answered, but is not "
            "there; `striate export` writes both, and `striate evaluate` judges a run without either"
        )
    try:
        told = json.loads(path.read_text("utf-8"))
        if told["format"] != FORMAT:
            raise WeightsError(
                f"this version of striate reads certificates of format {FORMAT}, but {printable(path)} is of "
                f"{told['format']!r}"
            )
        stated, record, limits = told["file"]["sha256"], Record.from_dict(told["record"]), Limits(**told["limits"])
        pictures = int(told["data"]["pictures"])
        if (width := record.probabilities.shape[1]) != len(shipped.classes):
            raise ValueError(f"it knows the answers of a network with {count(width, 'class')}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zlib.error) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise WeightsError(f"{printable(path)} is no certificate as `striate export` writes them: {why}") from error
    if stated != shipped.sum:
        raise WeightsError(
            f"{printable(path)} is the certificate of another file: it names the SHA-256 {stated}, "
            f"but that of {printable(file)} is {shipped.sum}"
        )
    return record, limits, pictures


def _opened(
    about: About, data: str | Path | Dataset, split: Split | None, on_bad: OnBad
) -> tuple[Dataset, bool, list[str]]:
    """Pictures with labels in the file's order, whether held out of what it learned from, and what to say of them."""
    found = data if isinstance(data, Dataset) else Dataset.open(data, on_bad=on_bad)
    refuse_other_classes(tuple(sorted(found.classes)), tuple(sorted(about.classes)), found.where, "those of the file")
    refuse_other_labels(found, about.several)
    others, what = held_out(found, about.fingerprint), "all of them"
    if split is None and others:
        split, what = others[0], ""
    there = [name for name in SPLITS if len(found[name])]
    if split is not None:
        found = found[split]
        what = SPLITS[split] + (", since the file learned from the others" if not what else "")
    if not len(found):
        instead = f"--split {there[0]} has some" if there else "it has none that were held out"
        raise DataError(f"{printable(found.where)} has no pictures to judge by: {what}; {instead}")
    order = np.array([about.classes.index(name) for name in found.classes])
    labels = found.labels[:, np.argsort(order)] if found.several else order[found.labels]
    notes = [f"{count(len(found))} of {printable(found.where)}, {what}", *left_out(found)]
    if split == "val" and others:
        notes.append(f"if it was trained for several epochs, {CHOSEN}")
    return replace(found, classes=about.classes, labels=labels), bool(others), notes


def _drawn(data: Dataset, pictures: int | None, record: Record) -> Dataset:
    """Some pictures as `drawn` gives them, but first those that a certificate knows: others compare nothing."""
    if pictures is None or not 0 < pictures < len(data):
        return drawn(data, pictures)
    known = frozenset(record.sums)
    new = np.array([content_sum(data.source.read(int(row))) not in known for row in data.rows])
    order = np.random.default_rng(SEED).permutation(len(data))
    return data.part(np.sort(order[np.argsort(new[order], kind="stable")][:pictures]))


def _compared(
    record: Record, about: About, data: Dataset, sums: list[str], ways: list[np.ndarray]
) -> tuple[Agreement, Comparison, Agreement]:
    """The file's answers beside those that the certificate keeps: each picture alone, and in batches."""
    known = {each: row for row, each in enumerate(record.sums)}
    places = [place for place, each in enumerate(sums) if each in known]
    network = record.probabilities[[known[sums[place]] for place in places]]
    some = data.part(np.array(places))
    alone, together = (agreement(each[places], network, some.names, about.classes, about.several) for each in ways)
    return alone, compare(ways[0][places], network, some.labels), together
