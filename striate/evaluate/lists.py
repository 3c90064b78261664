"""Lists: how well each class is known, and which pictures were named wrong."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, softmax

from striate.evaluate.figures import ranked
from striate.show.names import printable
from striate.show.numbers import exact, percent
from striate.show.table import Column, Table
from striate.train.learn.tally import wilson
from striate.train.transfer.compare import HALF


def class_table(classes: Sequence[str], scores: np.ndarray, labels: np.ndarray) -> Table:
    """A row for each class, the worst first.

    Parameters
    ----------
    classes
        names
    scores
        (n, classes) logits
    labels
        (n,) places in the classes, or (n, classes) of 0 and 1
    """
    several = labels.ndim == 2
    number = len(classes)
    there = labels > 0 if several else labels[:, None] == np.arange(number)  # (n, classes)
    said = scores >= 0 if several else scores.argmax(1)[:, None] == np.arange(number)
    rows = []
    for place, name in enumerate(classes):
        have, named = int(there[:, place].sum()), int(said[:, place].sum())
        right = int((there[:, place] & said[:, place]).sum())
        low, high = wilson(right, have) if have else (None, None)
        precision, area = (None, None)
        if 0 < have < len(labels):
            ones = np.ones((1, len(labels)))
            precision, area = (float(each) for each in ranked(scores[:, place], there[:, place], ones)[:, 0])
        rows.append(
            {
                "class": name,
                "pictures": have,
                "recall": right / have if have else None,
                "low": low,
                "high": high,
                "precision": right / named if named else None,
                "f1": 2 * right / (have + named) if have + named else None,
                "average_precision": precision,
                "area": area,
            }
        )
    rows.sort(key=lambda row: (row["recall"] is None, row["recall"]))
    share = lambda value: percent(value, 1)  # noqa: E731
    for row in rows:
        row["interval"] = None if row["low"] is None else f"{share(row['low'])} … {share(row['high'])}"
    columns = [
        Column("class", "class", printable, align="left"),
        Column("pictures", "pictures", exact),
        Column("recognised", "recall", share),
        Column("95 %", "interval", narrow=1),
        Column("right when named", "precision", share),
        Column("F1", "f1", share, narrow=2),
        Column("average precision", "average_precision", share, narrow=3),
        Column("area under ROC", "area", share, narrow=4),
    ]
    notes = [f"a class is named from {percent(HALF)} on"] if several else []
    return Table(columns, rows, notes=notes)


def mistakes(classes: Sequence[str], names: Sequence[str], scores: np.ndarray, labels: np.ndarray) -> Table:
    """A row for each wrong answer, the most confident first; where a picture may have several, one for each class.

    Parameters
    ----------
    classes, scores, labels
        as for `class_table`
    names
        of the n pictures
    """
    rows = []
    if labels.ndim == 2:
        probabilities = expit(scores)
        for picture, place in np.argwhere((probabilities >= HALF) != (labels > 0)).tolist():
            share = float(probabilities[picture, place])
            is_there = bool(labels[picture, place])
            rows.append(
                {
                    "name": names[picture],
                    "label": classes[place] if is_there else f"no {classes[place]}",
                    "said": f"no {classes[place]}" if is_there else classes[place],
                    "sure": 1 - share if is_there else share,
                }
            )
    else:
        probabilities, said = softmax(scores, axis=1), scores.argmax(1)
        for picture in np.flatnonzero(said != labels).tolist():
            rows.append(
                {
                    "name": names[picture],
                    "label": classes[labels[picture]],
                    "said": classes[said[picture]],
                    "sure": float(probabilities[picture, said[picture]]),
                }
            )
    rows.sort(key=lambda row: -row["sure"])
    columns = [
        Column("picture", "name", printable, align="left"),
        Column("label", "label", printable, align="left"),
        Column("said", "said", printable, align="left"),
        Column("sure", "sure", lambda share: percent(share, 1)),
    ]
    return Table(columns, rows)
