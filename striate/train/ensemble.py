"""Ensemble: a run whose network is the mean of others'. It holds their weights, so it opens wherever it lies."""

from dataclasses import dataclass
from pathlib import Path

from striate.errors import DataError, StriateError
from striate.nets.ensemble import ensemble
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.show.names import listed, printable
from striate.show.numbers import exact, percent, short
from striate.show.table import Column, Table
from striate.train.parts import Parts, Where
from striate.train.run import Run, open_run

PURPOSE = "ensembles are for benchmarks, never for serving customers"


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Run):
    """Several runs as one, made by `striate ensemble`. Its `config` holds theirs, and why they share no pictures."""

    @property
    def members(self) -> dict[str, Run]:
        """The runs that are averaged, by their names, as they were; their weights are in the ensemble's file."""
        return {
            name: Run(
                Path(told["folder"]), told["config"], tuple(told["classes"]), Preprocess.from_dict(told["preprocess"])
            )
            for name, told in self.config["members"].items()
        }

    def untrained(self, side_heads: bool = False) -> Net:
        """The network without its weights.

        Parameters
        ----------
        side_heads
            of the members
        """
        return ensemble(
            [member.untrained(side_heads) for member in self.members.values()], self.config["data"]["several"]
        )

    def parts(self, where: Where | None = None) -> Parts:
        """The pictures of all members, opened again.

        Parameters
        ----------
        where
            other pictures with the same classes
        """
        if where is None and (apart := self.config["apart"]):
            raise DataError(
                f"pictures that no member of {printable(self.folder)} learned from are not known, since {apart}; "
                "name others, such as striate evaluate RUN DATA"
            )
        return super().parts(where)

    @property
    def epoch_chosen(self) -> bool:
        """Whether validation chose the epoch of any member."""
        return any(member.epoch_chosen for member in self.members.values())

    def may_know(self, where: str, split: str | None) -> bool:
        """Whether any member may have learned from pictures.

        Parameters
        ----------
        where
            they are
        split
            val or test; None is all of them
        """
        split = None if self.config["apart"] else split  # one member's is another's training pictures
        return any(member.may_know(where, split) for member in self.members.values())

    def to_csv(self) -> str:
        """A row for each member, and one for all."""
        ended = self.result
        return Table([], ended["members"]).to_csv() if ended else ""

    def __str__(self) -> str:
        ended = self.result
        if ended is None:
            return f"{self.folder} lacks its result.json; `striate ensemble` makes it again"
        kept = f"kept in {printable(self.folder)}: the weights of all; it opens like any run"
        return "\n".join([str(costs(ended["members"])), *ended["told"], kept])


def costs(members: list[dict]) -> Table:
    """A row for each member and one for all together: how good they are, and what they cost.

    Parameters
    ----------
    members
        of `result.json`
    """
    columns = [
        Column("member", "name", printable, "left"),
        Column("network", "network", _brief, "left", narrow=3),
        Column("validation", "validation", lambda share: percent(share, 1)),
        Column("95 %", "interval", narrow=2),
        Column("test", "test", lambda share: percent(share, 1)),
        Column("parameters", "parameters", exact, narrow=1),
        Column("MACs", "macs", short),
        Column("ms a picture", "milliseconds", lambda time: f"{time:.2f}"),
    ]
    there = [column for column in columns if any(row[column.key] is not None for row in members)]
    return Table(there, members[:-1], total=members[-1])


def _brief(name: str) -> str:
    """A network may be called by its text."""
    return f"{printable(name)[:29]}…" if len(name) > 30 else printable(name)


def open_trained(folder: str | Path) -> Run:
    """Open a run to go on with it, to repeat it, or to begin with its weights, which an ensemble does not allow.

    Parameters
    ----------
    folder
        a training's output
    """
    run = open_run(folder)
    if isinstance(run, Ensemble):
        members = listed([str(member.folder) for member in run.members.values()], 9)
        raise StriateError(
            f"--resume, --like, --weights, replay and ensemble take runs that were trained, but {printable(folder)} is "
            f"an ensemble; take its members: {members}"
        )
    return run
