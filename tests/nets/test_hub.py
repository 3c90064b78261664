"""Names on Hugging Face: fetched from a server, found in the cache offline, and told plainly when they cannot be had.

The real client runs in a process of its own, because it reads its settings when it is imported.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer

import pytest
import torch
from hub_server import Hub
from pattern import weight
from safetensors.torch import save

from striate.nets.build import assemble
from striate.nets.naming import to_state_dict

TINY = "conv 3x3x4, relu, globalpool, flatten, fc 5"
PROGRAM = """
import json, sys, time
time.sleep = lambda seconds: sys.exit("the client waits before it tries again")
from striate.errors import WeightsError
from striate.nets.build import net
answers = []
for layers, weights in json.loads(sys.argv[1]):
    try:
        built = net(layers, weights=weights, **({} if " " not in layers else {"input": "12x12x3"}))
        answers.append([True, sum(t.double().sum().item() for t in built.parameters()), built.notes,
                        built.preprocess and built.preprocess.interpolation])
    except WeightsError as mistake:
        answers.append([False, str(mistake)])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A server with three small repositories, and how a program asks it."""
    own = {name: weight(name, tuple(t.shape)) for name, t in assemble(TINY, "12x12x3", None, {}).state_dict().items()}
    shapes = to_state_dict(assemble("mobilenet_v2", None, None, {}), "timm")
    mobile = {name: weight(name, tuple(t.shape)) for name, t in shapes.items() if "num_batches" not in name}
    folder = tmp_path_factory.mktemp("hub")
    torch.save(own, folder / "pickle.bin")
    Hub.files = {
        "me/tiny/model.safetensors": save(own),
        "me/old/pytorch_model.bin": (folder / "pickle.bin").read_bytes(),
        "me/nothing/readme.md": b"no weights here",
        "timm/mobilenetv2_100.ra_in1k/model.safetensors": save(mobile),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(questions, **environment):
        settings = {
            "HF_HOME": str(folder / "home"),
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            **environment,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            kept.pop(proxy, None)
        command = [sys.executable, "-W", "error::UserWarning", "-c", PROGRAM, json.dumps(questions)]
        run = subprocess.run(command, env=kept | settings, capture_output=True, text=True, timeout=120, check=False)
        assert (run.returncode, run.stderr) == (0, "")
        return json.loads(run.stdout)

    yield ask, {"own": total(own), "mobile": total(mobile)}
    server.shutdown()
    server.server_close()


def total(state) -> float:
    return sum(t.double().sum().item() for name, t in state.items() if "running" not in name)


def test_fetch_then_offline_then_without_a_server(hub):
    ask, expected = hub
    questions = [
        (TINY, "me/tiny"),
        (TINY, "me/old"),
        ("mobilenet_v2", "timm/mobilenetv2_100.ra_in1k"),
        (TINY, "me/nothing"),
        (TINY, "me/nobody"),
        (TINY, "me/no--name"),
    ]
    tiny, old, mobile, nothing, nobody, no_name = ask(questions)
    assert tiny[:2] == old[:2] == [True, pytest.approx(expected["own"])]
    assert mobile[:2] == [True, pytest.approx(expected["mobile"])]
    assert mobile[3] == "bicubic"
    assert any("pytorch_model.bin" in note for note in old[2])
    assert not nothing[0] and "neither model.safetensors nor pytorch_model.bin" in nothing[1]
    assert not nobody[0] and "no repository me/nobody" in nobody[1]
    assert not no_name[0] and "me/no--name" in no_name[1]

    Hub.asked.clear()
    tiny, old, mobile, other = ask([*questions[:3], (TINY, "me/other")], HF_HUB_OFFLINE="1")
    assert tiny[0] and old[0] and mobile[0]
    assert Hub.asked == []
    assert not other[0] and "not in the cache" in other[1] and "HF_HUB_OFFLINE" in other[1]
    assert "/me/other/resolve/main/model.safetensors by hand" in other[1]

    tiny, other = ask([questions[0], (TINY, "me/other")], HF_ENDPOINT="http://127.0.0.1:9")
    assert tiny[0]
    assert not other[0] and "cannot be fetched from http://127.0.0.1:9 ([Errno 111] Connection refused)" in other[1]
