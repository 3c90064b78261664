"""How far numbers spread, and which range of them loses least when it is told in 255 steps."""

import numpy as np

BINS = 8192  # from the lowest to the highest number that could be counted
SHARES = np.linspace(0.2, 1.0, 41)  # of the whole range, that are tried


class Spread:
    """A histogram of numbers that come bit by bit: its bins become twice as wide whenever one lies beyond."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS)
        self.reach = 0.0  # the bins cover -reach to reach
        self.low = self.high = 0.0  # zero belongs to every range

    def add(self, numbers: np.ndarray) -> None:
        """Count numbers.

        Parameters
        ----------
        numbers
            of any shape, all finite
        """
        self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))
        most = max(-self.low, self.high)
        if most == 0:  # all so far, and no bin has a width yet: zero begins the upper half
            self.counts[BINS // 2] += numbers.size
            return
        if self.reach == 0:
            self.reach = 2.0 ** np.ceil(np.log2(most))
        while self.reach < most:
            self.reach *= 2
            pairs = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.pad(pairs, BINS // 4)
        self.counts += np.histogram(numbers, BINS, (-self.reach, self.reach))[0]

    def best(self, steps: int) -> tuple[float, float]:
        """The range of which the mean squared error is least, when what lies beyond becomes its nearest number.

        Parameters
        ----------
        steps
            from the lowest to the highest

        >>> spread = Spread()
        >>> spread.add(np.append(np.linspace(0, 1, 100_000), 3))  # one lies far out
        >>> spread.best(255)
        (0.0, 2.7)
        """
        centres = (np.arange(BINS) + 0.5) * (2 * self.reach / BINS) - self.reach
        errors = []
        for share in SHARES:
            low, high = share * self.low, share * self.high
            step = max((high - low) / steps, np.finfo(np.float32).tiny)
            whole = np.clip(np.rint(centres / step), np.rint(low / step), np.rint(high / step))
            errors.append(self.counts @ (centres - whole * step) ** 2)
        share = SHARES[int(np.argmin(errors))]
        return float(share * self.low), float(share * self.high)
