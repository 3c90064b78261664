"""The pictures of a run for its page, found again by their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from PIL.Image import Image

from striate.data.dataset import Dataset
from striate.data.thumbnails import thumbnail
from striate.errors import StriateError
from striate.show.page import figure, text
from striate.train.parts import Parts
from striate.train.run import Run

SIDE = 120  # of a thumbnail
SHOWN = 24  # of many pictures


@dataclass(frozen=True, eq=False)
class Album:
    """The pictures of a run, opened when the first is wanted.

    Parameters
    ----------
    run
        which knows where they are
    parts
        the same, if they are open already
    """

    run: Run
    parts: Parts | None = None

    @cached_property
    def _opened(self) -> tuple[Parts | None, str]:
        """The pictures, or why there are none."""
        if self.parts:
            return self.parts, ""
        try:
            return self.run.parts(), ""
        except (StriateError, OSError) as error:
            return None, str(error)

    def figures(self, split: Literal["train", "val"], wanted: Sequence[tuple[str, tuple[str, ...]]]) -> str:
        """Some pictures, as a part of a page.

        Parameters
        ----------
        split
            where they are
        wanted
            the name of each, and lines below it
        """
        parts, missing = self._opened
        data = parts and (parts.val if split == "val" else parts.train)
        if not isinstance(data, Dataset):
            data, missing = None, missing or "there are none any more"
        names = {name for name, _ in wanted}
        # by name, not by place: the data may be another by now
        places = {name: place for place, name in enumerate(data.names) if name in names} if data else {}
        shown = [figure(_small(data, places.get(name)), name, lines) for name, lines in wanted]
        gone = f'<p class="faint">They cannot be shown: {text(missing)}</p>' if missing else ""
        return f'{gone}<div class="pictures">{"".join(shown)}</div>'


def _small(data: Dataset | None, place: int | None) -> Image | None:
    return None if data is None or place is None else thumbnail(data, place, SIDE)
