"""Under which licence weights may be handed on, as far as that is known."""

from typing import NamedTuple

from striate.train.run import Run

HUB_IDS = ("apache-2.0", "bsd-3-clause", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0")  # what Hugging Face calls them
NOT_STATED = "not stated"  # of published weights whose publisher says nothing


class Licence(NamedTuple):
    """What is known of a licence.

    Parameters
    ----------
    id
        by which Hugging Face knows it; other is one that it has no word for
    name
        as the publisher states it, where Hugging Face has no word for it
    told
        a sentence
    """

    id: str
    name: str | None
    told: str


def licence_of(run: Run) -> Licence:
    """The licence of the weights that a run began with, by which its own are bound.

    Parameters
    ----------
    run
        which keeps whose they are
    """
    about = run.config["network"]
    origin = about["origin"]
    if origin is None:
        told = "It began from scratch, so the licence is for its maker to choose; none is stated here."
        if about["weights"]:
            told = "Nothing is known of the licence of the weights that it began with."
        return Licence("unknown", None, told)
    licence = origin["licence"]
    if licence == NOT_STATED:
        told = (
            "The publisher of the weights that it began with states no licence for them; whether what came of them may "
            "be handed on is open."
        )
        return Licence("unknown", None, told)
    known = licence in HUB_IDS
    told = f"The weights that it began with are under the licence {licence}, as their publisher states it."
    return Licence(licence if known else "other", None if known else licence, told)
