"""The last stage is fine-tuned where that is better beyond chance, and nowhere else."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from made import dataset, encoded
from safetensors.torch import save_file

from striate.data import store as store_module
from striate.engine.fastest import Engine
from striate.engine.runners import pytorch
from striate.nets.build import net
from striate.nets.net import Net
from striate.preprocess import Preprocess
from striate.train.begin import Plan
from striate.train.choose import rehearsal
from striate.train.parts import Parts
from striate.train.ranks import Ranks
from striate.train.recipe import Recipe
from striate.train.train import train
from striate.train.transfer import deeper as module
from striate.train.transfer.cut import Cut, Pooled, cut
from striate.train.transfer.deeper import ENOUGH, Deeper, deeper
from striate.train.transfer.features import Features, features
from striate.train.transfer.views import Views

INPUT = Preprocess(size=(8, 8), resize=8)
NET = "stem: conv 3x3x3 same, relu stage1: conv 3x3x8 same, relu head: globalpool, fc 2"
RECIPE = Recipe(epochs=20, batch_size=16, lr=0.02, optimizer="adamw", freeze="auto")
COUNT = 2 * ENOUGH
ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))


def blind() -> Net:
    """A network that sees how light a picture is, but no difference between a row and a column."""
    made = net(NET, input="8x8x3")
    weights = made.state_dict()
    weights["stem.0.weight"].zero_()[:, :, 1, 1] = torch.eye(3)
    weights["stem.0.bias"].fill_(3)
    weights["stage1.0.weight"].add_(weights["stage1.0.weight"].transpose(2, 3).clone()).div_(2)
    return made


def striped(number: int) -> np.ndarray:
    """A picture (8, 8, 3) with rows, or with columns, in two grays of its own."""
    draw = np.random.default_rng(number)
    low, high = draw.integers(0, 100), draw.integers(150, 256)
    rows = np.where(np.arange(8)[:, None] % 4 < 2, low, high) + np.zeros((8, 8), int)
    turned = rows if number % 2 else rows.T
    return np.repeat(turned[..., None], 3, axis=2).astype(np.uint8)


def lit(number: int) -> np.ndarray:
    """A picture that is dark or light; of every eighth one, the label is wrong."""
    draw = np.random.default_rng(number)
    light = (number % 2) ^ (draw.random() < 1 / 8)
    return draw.integers(100 * light, 100 * light + 120, (8, 8, 3), dtype=np.uint8)


class Case:
    """What `deeper` takes, of pictures that need no files."""

    def __init__(self, contents: list[np.ndarray], recipe: Recipe = RECIPE, text: str | None = None):
        self.data = dataset(contents)
        self.network = net(text, input="8x8x3") if text else blind()
        self.plan = Plan(Parts(self.data, None, None, len(contents)), self.network, INPUT, recipe, {}, [], "published")
        self.engines, self.said = 0, list[str]()
        self.halves = cut(self.network, "all")
        self.train = self.compute(self.halves)

    def compute(self, halves: Cut) -> Features:
        return features(Pooled(halves), self.data, INPUT, views=Views(2), workers=1, engine=self.engine)

    def engine(self, module, example) -> Engine:
        self.engines += 1
        return Engine("PyTorch", "float32", pytorch(module.eval(), torch.device("cpu"), "float32"))

    def found(self) -> Deeper:
        return deeper(self.plan, self.halves, self.train, self.compute, ALONE, self.said.append)


@pytest.fixture
def stripes() -> Case:
    return Case([striped(number) for number in range(COUNT)])


def test_a_stage_that_has_to_learn_does(stripes):
    before = {name: value.clone() for name, value in stripes.network.state_dict().items()}
    found = stripes.found()
    assert found.freeze == "stem"
    assert found.pictures == COUNT // 5
    assert found.comparison and found.comparison.low > 0.2  # a head on what the stage gives can only guess
    assert found.told.startswith(f"fine-tuning stage1 too: {found.comparison.points} on 80 pictures held out")
    assert found.told.endswith(", more than chance: frozen up to stem, and stage1 learns")
    assert stripes.said[0].startswith("fine-tuning stage1 too, on 320 pictures, to compare on the 80 others")
    assert Deeper.from_dict(json.loads(json.dumps(asdict(found)))) == found
    # nothing moved, and all is still frozen
    assert all(torch.equal(before[name], value) for name, value in stripes.network.state_dict().items())
    frozen = [name for name, weight in stripes.network.named_parameters() if not weight.requires_grad]
    assert frozen == ["stem.0.weight", "stem.0.bias", "stage1.0.weight", "stage1.0.bias"]


def test_what_the_training_needs_afterwards_is_there(stripes):
    stripes.found()
    assert stripes.engines == 2
    stripes.compute(cut(stripes.halves.joined(), "stem"))
    assert stripes.engines == 2


def test_it_is_a_function_of_the_seed(stripes):
    state = torch.get_rng_state()
    first = stripes.found()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    assert stripes.found() == first


def test_where_it_does_not_matter_all_stays_frozen():
    found = Case([lit(number) for number in range(COUNT)]).found()
    assert found.freeze == "all"
    assert found.comparison and found.comparison.low <= 0
    assert found.told.endswith("no more than chance: it stays frozen")


def test_with_few_pictures_it_is_not_tried():
    few = Case([striped(number) for number in range(COUNT - 1)])
    found = few.found()
    assert (found.freeze, found.comparison, few.engines) == ("all", None, 1)
    assert found.told == (
        f"fine-tuning stage1 is not compared: that takes {ENOUGH} pictures of each class, of which the smallest has "
        f"{ENOUGH - 1}"
    )


def test_a_disk_without_room_is_told(stripes, monkeypatch):
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    found = stripes.found()
    assert (found.freeze, found.comparison) == ("all", None)
    assert found.told.startswith("fine-tuning stage1 is not compared: the cache needs ")
    assert "where 1000 B are free" in found.told


def test_a_memory_without_room_is_told(stripes, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(rehearsal, "gradient", full)
    assert stripes.found().told == (
        "fine-tuning stage1 is not compared: the memory does not hold a step of 16 pictures; "
        "a smaller --batch-size would fit"
    )


def test_other_errors_are_not_taken_for_a_full_memory(stripes, monkeypatch):
    def broken(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(rehearsal, "gradient", broken)
    with pytest.raises(RuntimeError, match="something else"):
        stripes.found()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("stage1: conv 3x3x4 same, relu head: globalpool, fc 2", "no stage with weights comes before it"),
        (NET.replace("fc 2", "fc 8, relu, fc 2"), "more than one layer learns behind it already"),
    ],
)
def test_networks_without_a_choice(text, why):
    found = Case([striped(number) for number in range(COUNT)], text=text).found()
    assert found.told == f"fine-tuning stage1 is not compared: {why}"


def test_a_training_goes_on_with_the_last_stage_and_keeps_why(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(module, "ENOUGH", 20)
    for number in range(160):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(striped(number)))
    save_file(blind().state_dict(), tmp_path / "blind.safetensors")
    given = {"weights": tmp_path / "blind.safetensors", "size": "8x8", "output": tmp_path / "run", "members": 2}
    run = train(tmp_path / "photos", NET, epochs=20, lr=0.02, optimizer="adamw", batch_size=8, **given)
    assert run.recipe.freeze == "stem"
    assert run.result["validation"]["top1"] > 0.9
    told = capfd.readouterr().err
    stages = json.loads((tmp_path / "run/stages.json").read_text())
    assert [row["chosen"] for row in stages["rows"]] == [False, True]  # as the probes have it
    assert stages["fine_tuning"]["freeze"] == "stem"
    assert stages["fine_tuning"]["told"] in told
    assert stages["fine_tuning"]["told"] in stages["notes"]
    # what is said of steps is said of these
    assert "--weight-decay: " in told
    assert "only a head that is solved can be an average of several: --members without effect" in told
    assert "--lr without effect" not in told
    # the same again finds it
    given["output"] = tmp_path / "again"
    again = train(tmp_path / "photos", NET, epochs=20, lr=0.02, optimizer="adamw", batch_size=8, **given)
    told = capfd.readouterr().err
    assert "whether it had better learn was tried in an earlier run" in told
    assert json.loads((tmp_path / "again/stages.json").read_text())["fine_tuning"] == stages["fine_tuning"]
    assert all(torch.equal(a, b) for a, b in zip(run.net().parameters(), again.net().parameters(), strict=True))
