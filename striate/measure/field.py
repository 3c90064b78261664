"""Receptive fields as algebra, along one axis of the picture: which part can a value depend on? No torch in here.

Position i of a feature map sees the input pixels from start + i·stride on, `size` of them. Sizes are not clipped at the
picture's border, as papers count them. What sees the same pixels from every position (after a global pool, or through a
squeeze-and-excite gate) has a span instead of, or beside, its field.
"""

from typing import NamedTuple


class Unplaced(Exception):
    """The receptive field does not follow from its inputs' fields."""


class Span(NamedTuple):
    """The pixels that every position sees, from the first to the last."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start + 1


class Field(NamedTuple):
    """Position i sees the pixels from start + i·stride on, `size` of them.

    >>> Field(1, 1, 0).window(f=7, s=2, p=3).window(f=3, s=2, p=1)
    Field(size=11, stride=4, start=-5)
    """

    size: int
    stride: int
    start: int

    def window(self, f: int, s: int, p: int, dilation: int = 1) -> "Field":
        """The field after a window of f positions that moves by s over an axis padded by p."""
        return Field(self.size + (f - 1) * dilation * self.stride, self.stride * s, self.start - p * self.stride)

    def seen_from(self, before: "Field") -> "Field":
        """The field over the positions of an earlier tensor, in whose pixels both are told.

        >>> stem = Field(1, 1, 0).window(f=7, s=2, p=3)
        >>> stem.window(f=3, s=2, p=1).seen_from(stem)
        Field(size=3, stride=2, start=-1)
        """
        step = before.stride
        return Field((self.size - before.size) // step + 1, self.stride // step, (self.start - before.start) // step)

    def over(self, n: int) -> Span:
        """What the first n positions see together."""
        return Span(self.start, self.start + (n - 1) * self.stride + self.size - 1)


class Sight(NamedTuple):
    """What a tensor sees along one axis of the picture: from each position its field, from every one alike the span."""

    field: Field | None = None
    span: Span | None = None

    def union(self, other: "Sight") -> "Sight":
        """The smallest sight that holds both."""
        field = self.field or other.field
        if self.field and other.field:
            if self.field.stride != other.field.stride:
                raise Unplaced(f"strides {self.field.stride} and {other.field.stride} meet")
            start = min(self.field.start, other.field.start)
            end = max(self.field.start + self.field.size, other.field.start + other.field.size)
            field = Field(end - start, self.field.stride, start)
        spans = [span for span in (self.span, other.span) if span]
        return Sight(field, Span(min(s.start for s in spans), max(s.end for s in spans)) if spans else None)
