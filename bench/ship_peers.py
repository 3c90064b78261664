"""What users write to answer with a network in PyTorch: for one picture, and as a service in FastAPI.

    python -m bench.ship_peers '{"place": …, "network": "resnet50", "port": 8000}'

The networks are torchvision's (GoogLeNet: a plain transcription of BVLC's) with the very weights of the exported file,
in evaluation and `torch.inference_mode`; pictures are opened by Pillow and pass torchvision's transforms. The plain
service is that of the tutorials: an upload, and a function that FastAPI runs in its threads, of which it has 40. It
runs on uvloop and httptools, as `uvicorn[standard]` brings them.
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench.peers import torchvision as load

TOP = 5  # classes that an answer names


def network(place: Path, name: str) -> tuple[Any, Any]:
    """The network, ready to answer, and its transforms: a picture of Pillow -> (3, 224, 224) of float32."""
    torchvision = load()
    import torch
    from safetensors.torch import load_file
    from torchvision import transforms as t

    from bench.googlenet_bvlc import GoogLeNet

    if name == "googlenet":  # blue, green, red, 0 to 255
        made, mean = GoogLeNet(), torch.tensor([104.0, 117.0, 123.0])[:, None, None]
        as_input = [t.ToTensor(), t.Lambda(lambda x: 255 * x.flip(0) - mean)]
    else:
        made = getattr(torchvision.models, name)(weights=None)
        as_input = [t.ToTensor(), t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    made.load_state_dict(load_file(place / f"{name}.safetensors"))
    return made.eval(), t.Compose([t.Resize(256), t.CenterCrop(224), *as_input])


def told(probabilities: Any) -> dict:
    """(classes,) as an answer in JSON."""
    found = probabilities.topk(TOP)
    rows = zip(found.indices.tolist(), found.values.tolist(), strict=True)
    return {"answers": [{"class": f"{place:03}", "probability": value} for place, value in rows]}


def plain(asked: dict) -> None:
    """FastAPI with eager PyTorch."""
    model, fitted = network(Path(asked["place"]), asked["network"])
    import torch
    import uvicorn
    from fastapi import FastAPI, UploadFile
    from PIL import Image

    app = FastAPI()

    @app.post("/predict")
    def predict(file: UploadFile) -> dict:
        picture = Image.open(file.file).convert("RGB")
        with torch.inference_mode():
            return told(model(fitted(picture)[None]).softmax(1)[0])

    uvicorn.run(app, host="127.0.0.1", port=asked["port"])


if __name__ == "__main__":
    plain(json.loads(sys.argv[1]))
