"""Files that were exported, changed."""

import onnx

from striate.ship.checked import SUM


def unsealed(content: bytes) -> onnx.ModelProto:
    """A file's model, to be changed and sealed again."""
    model = onnx.load_model_from_string(content)
    assert model.metadata_props.pop().key == SUM
    return model
