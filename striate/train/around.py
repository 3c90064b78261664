"""What changes no number of a training: where it is kept, by which processes, how fast."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

from striate.data.batches import Batches
from striate.data.dataset import Dataset, OnBad
from striate.data.prepared import Cache
from striate.data.sources.shards import Shards
from striate.show.progress import say
from striate.train.begin import Plan
from striate.train.ranks import Ranks


@dataclass(frozen=True)
class Around:
    """What changes no number of a training.

    Parameters
    ----------
    folder
        where the run is kept
    ranks
        the processes that take part
    begun
        when the command was given
    workers, cache, on_bad
        of `Batches`
    save_every
        seconds between two checkpoints within an epoch
    minutes
        the time limit, from when the command was given to the report
    search, adapt
        whether the learning rate is to be found, and whether a batch may be computed in parts that the memory holds
    accept_data_change
        whether a run goes on although its pictures changed
    quiet
        whether nothing is shown
    ending
        seconds of the time limit that are left for what follows the last step
    """

    folder: Path
    ranks: Ranks
    begun: float
    workers: int | None
    cache: Cache | None
    on_bad: OnBad
    save_every: float
    minutes: float | None
    search: bool
    adapt: bool
    accept_data_change: bool
    quiet: bool
    ending: float = 0.0

    @property
    def until(self) -> float:
        """When the last step is to be taken, by the clock of `begun`."""
        return inf if self.minutes is None else self.begun + 60 * self.minutes - self.ending

    def say(self, *lines: str) -> None:
        """Tell what happens before there are steps to watch."""
        if lines and self.ranks.first and not self.quiet:
            for line in lines:
                say(line)

    def batches(self, plan: Plan, data: Dataset | Shards, learning: bool, alone: bool = False) -> Batches:
        """Batches of a part of the data: distorted and shuffled to learn from, or as they are."""
        recipe, ranks = plan.recipe, self.ranks
        return Batches(
            data,
            plan.preprocess,
            batch_size=ranks.share(recipe.batch_size) if learning else max(1, min(recipe.batch_size, 256)),
            distortion=recipe.distortion if learning else None,
            balanced=learning and recipe.balance == "sampling",
            seed=recipe.seed,
            cache=self.cache,
            workers=self.workers,
            device=ranks.device,
            normalised=learning,
            rank=0 if alone else ranks.rank,
            world=1 if alone else ranks.world,
            on_bad=None if isinstance(data, Shards) else self.on_bad,
        )
