"""From a folder of pictures to a convolutional network that you understand and can ship.

>>> import striate as st
>>> print(st.shapes("lenet5").totals.parameters)
62958
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# name -> the module that holds it; loaded when first used, so that `import striate` costs nothing
PUBLIC = {
    "Net": "striate.nets.net",
    "Preprocess": "striate.preprocess",
    "StriateError": "striate.errors",
    "net": "striate.nets.build",
    "nets": "striate.measure.listing",
    "shapes": "striate.measure.shapes",
    "text": "striate.nets.printing",
}
__all__ = ["Net", "Preprocess", "StriateError", "net", "nets", "shapes", "text"]

if TYPE_CHECKING:
    from striate.errors import StriateError
    from striate.measure.listing import nets
    from striate.measure.shapes import shapes
    from striate.nets.build import net
    from striate.nets.net import Net
    from striate.nets.printing import text
    from striate.preprocess import Preprocess


def __getattr__(name: str):
    if name not in PUBLIC:
        raise AttributeError(f"module 'striate' has no attribute '{name}'")
    value = getattr(import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
