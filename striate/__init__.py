"""From a folder of pictures to a convolutional network that you understand and can ship.

>>> import striate as st
>>> print(st.shapes("lenet5").totals.parameters)
62958
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# name -> the module that holds it; loaded when first used, so that `import striate` costs nothing
PUBLIC = {
    "Batches": "striate.data.batches",
    "Dataset": "striate.data.dataset",
    "Distortion": "striate.data.distort.distortion",
    "Net": "striate.nets.net",
    "Preprocess": "striate.preprocess",
    "Published": "striate.nets.published",
    "Run": "striate.train.run",
    "StriateError": "striate.errors",
    "certify": "striate.ship.proof.certify",
    "check": "striate.data.audit.check",
    "compare": "striate.evaluate.comparing",
    "curves": "striate.train.tell.course",
    "distort": "striate.data.distort.sheet",
    "dream": "striate.look.dream",
    "ensemble": "striate.evaluate.ensemble",
    "evaluate": "striate.evaluate.evaluate",
    "explain": "striate.look.explain",
    "export": "striate.ship.export",
    "get": "striate.data.sources.get",
    "net": "striate.nets.build",
    "nets": "striate.measure.listing",
    "open_run": "striate.train.run",
    "open_shards": "striate.data.sources.shards",
    "open_shipped": "striate.ship.shipped",
    "predict": "striate.ship.predict",
    "published": "striate.nets.published",
    "replay": "striate.train.replay",
    "report": "striate.report.report",
    "robustness": "striate.evaluate.robustness",
    "runs": "striate.train.tell.runs",
    "serve": "striate.ship.serve.serve",
    "shapes": "striate.measure.shapes",
    "text": "striate.nets.printing",
    "to_state_dict": "striate.nets.naming",
    "train": "striate.train.train",
}
__all__ = [
    "Batches",
    "Dataset",
    "Distortion",
    "Net",
    "Preprocess",
    "Published",
    "Run",
    "StriateError",
    "certify",
    "check",
    "compare",
    "curves",
    "distort",
    "dream",
    "ensemble",
    "evaluate",
    "explain",
    "export",
    "get",
    "net",
    "nets",
    "open_run",
    "open_shards",
    "open_shipped",
    "predict",
    "published",
    "replay",
    "report",
    "robustness",
    "runs",
    "serve",
    "shapes",
    "text",
    "to_state_dict",
    "train",
]

if TYPE_CHECKING:
    from striate.data.audit.check import check
    from striate.data.batches import Batches
    from striate.data.dataset import Dataset
    from striate.data.distort.distortion import Distortion
    from striate.data.distort.sheet import distort
    from striate.data.sources.get import get
    from striate.data.sources.shards import open_shards
    from striate.errors import StriateError
    from striate.evaluate.comparing import compare
    from striate.evaluate.ensemble import ensemble
    from striate.evaluate.evaluate import evaluate
    from striate.evaluate.robustness import robustness
    from striate.look.dream import dream
    from striate.look.explain import explain
    from striate.measure.listing import nets
    from striate.measure.shapes import shapes
    from striate.nets.build import net
    from striate.nets.naming import to_state_dict
    from striate.nets.net import Net
    from striate.nets.printing import text
    from striate.nets.published import Published, published
    from striate.preprocess import Preprocess
    from striate.report.report import report
    from striate.ship.export import export
    from striate.ship.predict import predict
    from striate.ship.proof.certify import certify
    from striate.ship.serve.serve import serve
    from striate.ship.shipped import open_shipped
    from striate.train.replay import replay
    from striate.train.run import Run, open_run
    from striate.train.tell.course import curves
    from striate.train.tell.runs import runs
    from striate.train.train import train


def __getattr__(name: str):
    if name not in PUBLIC:
        raise AttributeError(f"module 'striate' has no attribute '{name}'")
    value = getattr(import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])


class _House(ModuleType):
    """A room and a function may share a name: `striate.nets` is the function, also after the room was imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _House
