"""The ways to explain an answer, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from torch import Tensor

from striate.look.cam import cam
from striate.look.gradcam import gradcam, gradcam_plus
from striate.look.integrated import integrated
from striate.look.occlusion import occlusion
from striate.look.saliency import saliency
from striate.look.smoothgrad import smoothgrad

Name = Literal["gradcam", "gradcam++", "cam", "saliency", "smoothgrad", "integrated", "occlusion"]
CELLS = 56  # on a side
PEAKS = 0.995  # of the cells are weaker than what gets the strongest colour: a few peaks would leave the rest dark


@dataclass(frozen=True)
class Method:
    """A way to explain.

    Parameters
    ----------
    title
        what it is called
    function
        (network, pictures (batch, channels, height, width), targets (batch, k), own options) -> maps (batch, k, rows,
        columns) that divide the pictures evenly
    meaning
        of the colours
    signed
        whether values below 0 mean something
    fine
        whether each pixel has a value of its own, so that a few are peaks
    """

    title: str
    function: Callable[..., Tensor]
    meaning: str
    signed: bool = False
    fine: bool = False

    def drawn(self, maps: np.ndarray) -> np.ndarray:
        """Maps (k, rows, columns) as they are drawn: single pixels are too small to be seen, so some make a cell.

        Parameters
        ----------
        maps
            of one picture
        """
        if not self.fine or min(maps.shape[1:]) <= CELLS:
            return maps
        return np.stack([cv2.resize(map, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for map in maps])

    def largest(self, maps: np.ndarray) -> float:
        """What gets the strongest colour.

        Parameters
        ----------
        maps
            that are to be compared
        """
        return float(np.quantile(np.abs(maps), PEAKS if self.fine else 1))


METHODS: dict[str, Method] = {
    "gradcam": Method("Grad-CAM", gradcam, "bright is where what a layer found speaks for the class"),
    "gradcam++": Method(
        "Grad-CAM++", gradcam_plus, "the same, but several things of a class are shown as evenly as they can be"
    ),
    "cam": Method("CAM", cam, "red adds to the score of the class, blue takes from it", signed=True),
    "saliency": Method(
        "Saliency", saliency, "bright pixels change the score most if they change a little, up or down", fine=True
    ),
    "smoothgrad": Method("SmoothGrad", smoothgrad, "saliency, averaged over noisy copies of the picture", fine=True),
    "integrated": Method(
        "Integrated gradients",
        integrated,
        "red pixels add to the score, blue ones take from it, beside a picture of nothing but the mean colour",
        signed=True,
        fine=True,
    ),
    "occlusion": Method(
        "Occlusion", occlusion, "the score falls if what is red is covered, and rises if what is blue is", signed=True
    ),
}
