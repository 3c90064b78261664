"""Watch: what a person sees of a training while it runs, on standard error."""

import math
from collections import deque
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from striate.show.numbers import duration, exact, percent
from striate.show.progress import say, standard_error
from striate.train.tell.telling import epoch_columns, epoch_sentence, figure_words, heads, row

DRAWN, TOLD, LATELY = 0.25, 30.0, 10.0  # seconds between two pictures, between two lines, and of which the speed is
PASSES = 3  # that a step costs: one forward; back, one for the inputs' gradients and one for the weights'


class Watch:
    """On a terminal a region that changes and a line for each epoch; in a file or a pipe plain lines.

    Nothing is drawn but in these calls, so that no other thread takes time from the training.

    Parameters
    ----------
    steps, per_epoch
        how many in all, and in an epoch
    first
        how many were made before
    macs
        multiply-adds of a picture's way forward; 0 if they are not known
    peak
        multiply-adds that this machine does in a second, if that was measured
    quiet
        whether nothing at all is shown
    """

    def __init__(
        self, steps: int, per_epoch: int, first: int = 0, macs: int = 0, peak: float | None = None, quiet: bool = False
    ):
        self.steps, self.per_epoch, self.first = steps, per_epoch, first
        self.macs, self.peak, self.quiet = macs, peak, quiet
        self.best: dict[str, Any] | None = None  # the best epoch's line; who goes on with a training may set it
        self._console = standard_error()
        self._terminal = self._console.is_terminal and not self._console.is_dumb_terminal and not quiet
        self._live: Any = None
        self._height = 0  # lines below its bar
        self._done, self._pictures, self._loss, self._rate = first, 0, math.nan, 0.0
        self._validated: float | None = None
        self._headed: list[tuple[str, str]] = []  # the columns under the last head
        self._start = self._rested = self._stepped = self._due = self._told = perf_counter()
        self._trained, self._resting = 0.0, True  # seconds in steps alone, until the last rest
        self._lately: deque[tuple[float, int]] = deque([(0.0, 0)])  # such seconds, and pictures until then

    def __enter__(self) -> "Watch":
        self._start = self._rested = self._stepped = self._due = self._told = perf_counter()
        if self._terminal:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()  # gives the cursor back, however the training ended

    def say(self, text: str) -> None:
        """Show a line that stays.

        Parameters
        ----------
        text
            a sentence
        """
        if not self.quiet:
            say(text, self._console)

    def step(self, step: int, pictures: int, loss: float | None, rate: float) -> None:
        """Note a step that was made.

        Parameters
        ----------
        step
            how many were made
        pictures
            in this one
        loss
            the newest that is known
        rate
            its learning rate
        """
        self._done, self._rate, self._resting = step, rate, False
        self._pictures += pictures
        if loss is not None:
            self._loss = loss
        self._stepped = now = perf_counter()
        if now >= self._due:
            self._due = now + DRAWN
            self._sample(self._trained + now - self._rested)
            if self._terminal:
                self._draw()
            elif now - self._told >= TOLD:
                self._told = now
                self.say(f"{self._epoch_words}, step {exact(step)} of {exact(self.steps)}: {' · '.join(self._parts)}")

    def validating(self, done: int, total: int) -> None:
        """Note how far the validation is.

        Parameters
        ----------
        done, total
            parts of it
        """
        now = self._rest()
        self._validated = done / max(total, 1)
        if now >= self._due:
            self._due = now + DRAWN
            if self._terminal:
                self._draw()

    def epoch(self, line: dict[str, Any]) -> None:
        """Show how an epoch went.

        Parameters
        ----------
        line
            of the history, of the kind epoch
        """
        self._rest()
        self._validated = None
        self._told = perf_counter()
        if line["best"]:
            self.best = line
        if self._terminal:
            from rich.text import Text

            columns = epoch_columns(line, self._console.width)
            if self._headed != list(columns):
                self._headed = list(columns)
                # a style of the print would be the region's, too, which is drawn with it
                self._console.print(Text("\n".join(heads(self._headed)), style="bold"), soft_wrap=True)
            self._console.print(row(columns), soft_wrap=True)
            self._draw()
        else:
            self.say(epoch_sentence(line, self.steps / self.per_epoch))

    @property
    def speed(self) -> float:
        """Pictures a second lately, while steps were made."""
        trained = self._trained if self._resting else self._trained + self._stepped - self._rested
        seconds = trained - self._lately[0][0]
        return (self._pictures - self._lately[0][1]) / seconds if seconds > 0 else 0.0

    def _sample(self, trained: float) -> None:
        self._lately.append((trained, self._pictures))
        while len(self._lately) > 2 and trained - self._lately[1][0] > LATELY:
            self._lately.popleft()

    def _rest(self) -> float:
        """What comes until the next step is no training, and does not make it slower."""
        now = perf_counter()
        if not self._resting:
            self._trained += self._stepped - self._rested
            self._sample(self._trained)
            self._resting = True
        self._rested = now
        return now

    @property
    def _epoch_words(self) -> str:
        last = math.ceil(self.steps / self.per_epoch)
        return f"epoch {exact(min(self._done // self.per_epoch + 1, last))} of {exact(last)}"

    @property
    def _parts(self) -> list[str]:
        """What there is to tell of this moment."""
        speed = self.speed
        parts = [f"{speed:,.{0 if speed >= 10 else 1}f} pictures/s"]
        if self.macs and self.peak:
            share = speed * PASSES * self.macs / self.peak
            parts.append(f"{percent(share)} of this machine's {self.peak / 1e9:,.0f} GMAC/s")
        if not math.isnan(self._loss):
            parts.append(f"loss {self._loss:.4g}")
        parts.append(f"rate {self._rate:.3g}")
        if self.best and (words := figure_words(self.best["validation"], brief=True)):
            parts.append(f"best {words} in epoch {self.best['epoch']:g}")
        made = self._done - self.first
        if made and self._done < self.steps:
            parts.append(f"{duration((perf_counter() - self._start) / made * (self.steps - self._done))} left")
        return parts

    def _draw(self) -> None:
        """Draw the region anew: a bar, and below it lines of whole parts, never fewer than before: it would jump."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        doing = self._epoch_words if self._validated is None else f"validation {percent(self._validated)}"
        all = f"{percent(self._done / self.steps)} of all"
        bar = Table.grid(expand=True, padding=(0, 1))
        bar.add_column(no_wrap=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True, justify="right")
        bar.add_row(doing, ProgressBar(self.steps, self._done), all)
        lines = packed(self._parts, self._console.width - 1)
        self._height = max(self._height, len(lines))
        lines += [""] * (self._height - len(lines))
        self._live.update(Group(bar, *(Text(line, style="dim", no_wrap=True) for line in lines)), refresh=True)


def packed(parts: Iterable[str], width: int) -> list[str]:
    """Parts in as few lines as hold them, none of them broken.

    Parameters
    ----------
    parts
        words
    width
        of a line

    >>> packed(["one", "two", "three"], 10)
    ['one · two', 'three']
    """
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
