"""The choice of `--freeze auto` beside a linear head at the end of every other stage, which `transfer.py` asks for.

Cross-validation, five times with five folds, other ones than those by which the choice was made, on the pictures that
the run learnt from and the features that it kept. Heads of overlapping folds are no independent tries, so the intervals
are those of Nadeau and Bengio (2003). They are not widened for the number of stages: that makes it easier for a stage
to be better than the choice.
"""

from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, variance

from scipy.stats import t

import striate
from striate.train.learn.tally import wilson
from striate.train.transfer.axes import axes_of
from striate.train.transfer.compare import correct, repeated
from striate.train.transfer.cut import Pooled, cut
from striate.train.transfer.features import FEATURES, features
from striate.train.transfer.folds import fold
from striate.train.transfer.strength import choose_strength
from striate.train.transfer.views import Views

REPEATS = 5


def corrected(differences: Sequence[float], held_out: float) -> tuple[float, float]:
    """Between which values the mean of differences lies, with 95 % confidence, where the folds overlap.

    Parameters
    ----------
    differences
        one of each fold of each repeat
    held_out
        the share of the pictures that a fold holds out

    >>> [round(bound, 3) for bound in corrected([0.1, 0.0, 0.1, 0.0], 0.2)]
    [-0.08, 0.18]
    """
    count = len(differences)
    error = sqrt((1 / count + held_out / (1 - held_out)) * variance(differences))
    middle, reach = mean(differences), float(t.ppf(0.975, count - 1)) * error
    return middle - reach, middle + reach


def freeze_points(folder: Path, weights: Path) -> None:
    """Print the table.

    Parameters
    ----------
    folder
        of a run with `--freeze auto`
    weights
        that it began with
    """
    run = striate.open_run(folder)
    network = striate.net(run.config["network"]["name"], weights=weights).with_head(len(run.classes))
    seen = features(
        Pooled(cut(network, "all")), run.parts().train, run.preprocess, views=Views(run.recipe.views), say=print
    )
    data = seen.data
    folds = [fold(data.labels, data.groups, run.classes, seed=1 + repeat) for repeat in range(REPEATS)]
    shares: dict[str, list[float]] = {}  # by stage, of each fold of each repeat
    for stage in (name for name in seen.arrays if name != FEATURES):
        axes = axes_of(seen.arrays[stage])
        strength, _ = choose_strength(axes, data.labels, len(run.classes), folds[0])
        cross = repeated(axes, data.labels, run.classes, data.groups, strength, REPEATS, seed=1)
        right = [correct(probabilities, data.labels) for probabilities in cross.probabilities]
        shares[stage] = [float(r[held].mean()) for r, each in zip(right, folds, strict=True) for _, held in each]
        print(f"  {stage} is judged", flush=True)
    chosen = list(shares)[-1] if run.recipe.freeze == "all" else run.recipe.freeze
    best = max(shares, key=lambda stage: mean(shares[stage]))
    print(f"\nauto freezes up to {chosen}; heads on what each stage gives, {len(data):,} pictures:")
    for stage, found in shares.items():
        low, high = wilson(round(mean(found) * len(data)), len(data))
        line = f"  {stage:8} {100 * mean(found):.1f} % right ({100 * low:.1f} … {100 * high:.1f})"
        if stage != chosen:
            more = [other - own for other, own in zip(found, shares[chosen], strict=True)]
            least, most = corrected(more, 1 / len(folds[0]))
            line += f", {100 * mean(more):+.1f} points ({100 * least:+.1f} … {100 * most:+.1f}) beside auto's choice"
            line += "; better beyond chance" if least > 0 else ""
        print(line + ("; the best" if stage == best else ""))
