"""A service in LitServe, as its documentation has it, around the network of `ship_peers.py`.

    python -m bench.ship_litserve '{"place": …, "network": "resnet50", "port": 8000}'

A module of its own, since LitServe's processes import it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench.peers import FOLDER

sys.path.append(str(FOLDER))
import litserve
import torch
from PIL import Image

from bench.ship_peers import network, told

# the most requests a second of what was tried with MobileNetV2 on two cores and 64 clients: these 76; without batches
# 57 by its own queue and 55 over ZeroMQ; one process with two threads 46 in batches of 8, 39 without
API = {"max_batch_size": 4, "batch_timeout": 0.002}
SERVER = {"workers_per_device": 2, "fast_queue": True}
THREADS = 1  # of each process that answers


class Api(litserve.LitAPI):
    """A picture of a form, answered with others in a batch."""

    def __init__(self, asked: dict, **settings: Any):
        super().__init__(**settings)
        self.asked = asked

    def setup(self, device: str) -> None:
        """In the process that answers."""
        self.model, self.fitted = network(Path(self.asked["place"]), self.asked["network"])
        torch.set_num_threads(THREADS)

    def decode_request(self, request) -> torch.Tensor:
        """A form -> (3, 224, 224). LitServe reads the hints: any would be what FastAPI asks for."""
        return self.fitted(Image.open(request["file"].file).convert("RGB"))

    def predict(self, pictures: torch.Tensor) -> torch.Tensor:
        """(batch, 3, 224, 224), or one picture -> probabilities."""
        with torch.inference_mode():
            return self.model(pictures if pictures.ndim == 4 else pictures[None]).softmax(1)

    def encode_response(self, probabilities: torch.Tensor) -> dict:
        """Of one picture."""
        return told(probabilities.flatten())


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    server = litserve.LitServer(Api(asked, **API), accelerator="cpu", **SERVER)
    server.run(host="127.0.0.1", port=asked["port"], generate_client_file=False)
