"""Preprocess: how a picture becomes a network's input. One object, shared by every room."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """What happens to a picture between its file and the network.

    Parameters
    ----------
    size
        height and width of the network's input
    resize
        what the short side is resized to before the crop; None where the whole picture is fitted
    fit
        crop the centre, pad to a square, or squash
    interpolation
        how the resize fills pixels; always antialiased
    channels
        order of the colour channels that the network was trained with
    scale
        what a pixel of 255 becomes before mean and std: 1 or 255
    mean, std
        per channel in that order, in that scale

    >>> Preprocess().size
    (224, 224)
    """

    size: tuple[int, int] = (224, 224)
    resize: int | None = 256
    fit: Literal["crop", "pad", "squash"] = "crop"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    channels: Literal["RGB", "BGR", "L"] = "RGB"
    scale: Literal[1, 255] = 1
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """Back from `to_dict`, also after a trip through JSON, where tuples become lists."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**plain)
