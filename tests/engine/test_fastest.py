"""Which engine is taken, what is told of it, and that nothing wrong is used."""

import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.engine import fastest as room
from striate.engine.fastest import Engine, difference, fastest, take_turns
from striate.errors import UnknownName
from striate.nets.build import net

PICTURES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    return net("stage1: conv 3x3x8 p1, bn, relu\nhead: globalpool, fc 5", input="16x16x3")


@pytest.fixture
def only(monkeypatch):
    """Let others than PyTorch be one that a test makes: `only(run, seconds)` runs so, and is timed as so fast."""

    def one(run, type="float32"):
        monkeypatch.setattr(room, "others", lambda *_: iter([("Other", type, lambda: run)]))

    return one


@pytest.fixture(autouse=True)
def speed(monkeypatch):
    """PyTorch takes a second for a batch, others half of it: choices do not depend on the machine."""

    def take(self: Engine, batch: Tensor) -> None:
        self.run(batch)
        self.seconds = 1.0 if str(self) == "PyTorch" else 0.5

    monkeypatch.setattr(Engine, "time", take)


def outputs_of(module: nn.Module) -> tuple[np.ndarray, ...]:
    with torch.no_grad():
        return (module.eval()(PICTURES).numpy(),)


def test_what_is_faster_and_the_same_is_taken_and_told(network, capfd):
    engine = fastest(network, PICTURES)
    assert engine.name in ("ONNX Runtime", "OpenVINO")
    assert engine.difference < 1e-4
    assert difference(engine(PICTURES), outputs_of(network)) < 1e-4
    assert "ONNX Runtime 8.0 pictures/s" in engine.told[0]
    assert "PyTorch 4.0 pictures/s" in engine.told[0]
    assert "largest difference from PyTorch" in engine.told[0]
    assert [line for line in engine.told if "OpenVINO" in line]  # timed, or told that it is not installed
    assert capfd.readouterr() == ("", "")


def test_what_is_slower_is_not_taken(network, only, monkeypatch):
    def slow(self: Engine, batch: Tensor) -> None:
        self.seconds = 1.0 if self.name == "PyTorch" else 2.0

    monkeypatch.setattr(Engine, "time", slow)
    only(lambda batch: outputs_of(network))
    engine = fastest(network, PICTURES)
    assert engine.name == "PyTorch"
    assert engine.told == ["PyTorch 4.0 pictures/s, Other 2.0 pictures/s"]


@pytest.mark.parametrize(
    ("type", "away", "used"),
    [
        ("float32", 5e-4, True),
        ("float32", 2e-3, False),
        ("bfloat16", 0.2, True),
        ("bfloat16", 0.3, False),
        ("float32", float("nan"), False),
        ("float32", float("inf"), False),
    ],
)
def test_another_result_is_refused_and_told(network, only, type, away, used):
    (expected,) = outputs_of(network)
    wrong = expected.copy()
    wrong[-1, -1] += away * expected.std()  # a single number
    only(lambda batch: (wrong,), type)
    engine = fastest(network, PICTURES)
    assert (engine.name == "Other") == used
    told = f"Other in {type} is not used: its outputs are up to"
    assert any(line.startswith(told) for line in engine.told) != used


def test_outputs_of_other_shapes_are_refused(network, only):
    only(lambda batch: (outputs_of(network)[0][:, :1],))
    assert fastest(network, PICTURES).name == "PyTorch"


def test_an_engine_that_fails_is_told(network, only):
    def broken(batch):
        raise RuntimeError("no such operator\nand much more")

    only(broken)
    engine = fastest(network, PICTURES)
    assert engine.name == "PyTorch"
    assert "Other in float32 is not used: RuntimeError: no such operator" in engine.told


class Deciding(nn.Module):
    """Its way depends on values, which no export can follow."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_a_module_that_cannot_be_exported_runs_in_pytorch(capfd):
    engine = fastest(Deciding(), PICTURES)
    assert engine.name == "PyTorch"
    assert "ONNX Runtime and OpenVINO cannot run this network: its export fails by" in engine.told[1]
    assert all("\n" not in line for line in engine.told)
    assert capfd.readouterr() == ("", "")


class Stages(nn.Module):
    """Several outputs: what each stage makes, pooled, and the last as it is."""

    def __init__(self):
        super().__init__()
        self.first = net("conv 3x3x8 p1, relu, maxpool 2", input="16x16x3")
        self.second = net("conv 3x3x4 p1, relu", input="8x8x8")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.first(x)
        y = self.second(x)
        return x.mean((2, 3)), y.mean((2, 3)), y


def test_several_outputs_keep_their_order():
    module = Stages()
    engine = fastest(module, PICTURES)
    with torch.no_grad():
        expected = tuple(output.numpy() for output in module(PICTURES[:3]))
    outputs = engine(PICTURES[:3])
    assert engine.name != "PyTorch"
    assert [output.shape for output in outputs] == [(3, 8), (3, 4), (3, 4, 8, 8)]
    assert difference(outputs, expected) < 1e-4


def test_eight_pictures_are_enough_to_choose_by(network, only):
    many, tried = PICTURES.repeat(8, 1, 1, 1), []

    def run(batch: Tensor) -> tuple[np.ndarray, ...]:
        tried.append(len(batch))
        with torch.no_grad():
            return (network.eval()(batch).numpy(),)

    only(run)
    engine = fastest(network, many)
    assert engine.name == "Other"
    assert set(tried) == {8}
    assert "Other 16.0 pictures/s, PyTorch 8.0 pictures/s" in engine.told[0]  # at a half and a whole second for eight


def test_few_pictures_are_not_worth_an_export(network, monkeypatch):
    monkeypatch.setattr(room, "others", None)
    engine = fastest(network, PICTURES, pictures=76)  # 4 a second
    assert engine.told == [
        "PyTorch 4.0 pictures/s",
        "PyTorch needs about 19.0 s for 76 pictures: nothing else was tried",
    ]


def test_many_pictures_are(network, only):
    only(lambda batch: outputs_of(network))
    assert fastest(network, PICTURES, pictures=81).name == "Other"


@pytest.mark.slow
def test_bfloat16_is_for_those_who_ask(network, monkeypatch):
    def tried(precision: room.Precision, has: bool) -> tuple[list[tuple[str, str]], list[str]]:
        monkeypatch.setattr(room, "has_bfloat16", lambda _: has)
        told: list[str] = []
        found = room.others(network.eval(), PICTURES, torch.device("cpu"), precision, told)
        return [(name, type) for name, type, _ in found], told

    monkeypatch.setattr(room, "has_openvino", lambda: True)
    full = [("ONNX Runtime", "float32"), ("OpenVINO", "float32")]
    assert tried("full", True) == (full, [])
    assert tried("fast", False) == (full, ["nothing here computes in bfloat16"])
    assert tried("fast", True) == ([("PyTorch", "bfloat16"), *full, ("OpenVINO", "bfloat16")], [])
    with pytest.raises(UnknownName, match="precision"):
        fastest(network, PICTURES, precision="half")  # type: ignore[arg-type]


def test_elsewhere_than_on_the_processor_pytorch_alone_is_tried(network):
    told: list[str] = []
    assert not list(room.others(network, PICTURES, torch.device("cuda"), "full", told))
    assert told == ["ONNX Runtime and OpenVINO were not tried: here they run on the processor, not on cuda"]


def test_the_module_stays_as_it_is(network):
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    engine = fastest(network, PICTURES)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network[0][0].weight.is_contiguous()
    assert difference(engine(PICTURES), outputs_of(network)) < 1e-4  # in evaluation, though it was in training


def test_inference_mode_around_it_does_no_harm(network):
    with torch.inference_mode():
        assert fastest(network, PICTURES).name != "PyTorch"
    network(PICTURES).sum().backward()
    assert network[0][0].weight.grad is not None


def racers(ran: list[str], **seconds: list[float]) -> list[Engine]:
    """Engines that take so long, one time after the other, and note that they ran."""

    def run(name: str):
        def one(batch: Tensor):
            time.sleep(seconds[name][ran.count(name)])
            ran.append(name)
            return ()

        return one

    return [Engine(name, "float32", run(name)) for name in seconds]


def test_engines_near_the_best_take_turns_and_the_best_run_counts(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(room, "MOST", 3)
    ran: list[str] = []
    engines = racers(ran, a=[0.05, 0.05, 0.001], b=[0.05, 0.05, 0.05], c=[0.3])
    take_turns(engines, PICTURES)
    assert ran == ["a", "b", "c", "a", "b", "a", "b"]
    assert 0.001 <= engines[0].seconds < 0.05 <= engines[1].seconds < engines[2].seconds


def test_a_clear_best_and_long_runs_are_timed_once(monkeypatch):
    monkeypatch.undo()
    ran: list[str] = []
    take_turns(racers(ran, a=[0.01], b=[0.3]), PICTURES)
    assert ran == ["a", "b"]
    monkeypatch.setattr(room, "SECONDS", 0)
    ran.clear()
    take_turns(racers(ran, a=[0.05], b=[0.05]), PICTURES)
    assert ran == ["a", "b"]
    timed = Engine("c", "float32", None, seconds=1.0)  # type: ignore[arg-type]
    take_turns([timed], PICTURES)  # with a time already, it need not run
