"""Weights from files: placed by order, and told when they do not fit."""

import pytest
import torch
from safetensors.torch import save_file
from small import refused, small, small_state

from striate.nets.build import net
from striate.nets.placing import own_tensors


def same(built, state) -> bool:
    return all(torch.equal(built.state_dict()[name], tensor) for name, tensor in state.items())


# what fits


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "pt", "bin"])
def test_own_names_come_back_by_name_counters_too(tmp_path, suffix):
    state, file = small_state(), tmp_path / f"mine.{suffix}"
    if suffix == "safetensors":
        save_file(state, file)
    else:
        torch.save(dict(reversed(state.items())), file)
    built = small(weights=file)
    assert same(built, state)
    assert built.notes == small().notes


def test_a_path_may_be_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    save_file(small_state(), "runs/model.safetensors")
    assert same(small(weights="runs/model.safetensors"), small_state())


def renamed(state) -> dict[str, torch.Tensor]:
    """Foreign names whose alphabetical order is not the order of the layers."""
    names = [name for name in state if "num_batches" not in name]
    return {f"{chr(ord('z') - n)}.{name.rpartition('.')[2]}": state[name] for n, name in enumerate(names)}


def test_foreign_names_are_placed_by_order(tmp_path):
    state = small_state()
    torch.save(renamed(state), tmp_path / "theirs.pth")
    own = {name: tensor for name, tensor in state.items() if "num_batches" not in name}
    assert same(small(weights=tmp_path / "theirs.pth"), own)
    save_file(renamed(state), tmp_path / "theirs.safetensors", {"order": ",".join(renamed(state))})
    assert same(small(weights=tmp_path / "theirs.safetensors"), own)


def test_a_sorted_file_without_order_is_refused(tmp_path):
    save_file(renamed(small_state()), tmp_path / "theirs.safetensors")
    message = refused(weights=tmp_path / "theirs.safetensors")
    assert "sorted by name" in message
    assert "'order'" in message


@pytest.mark.parametrize(
    ("order", "told"),
    [("a.weight", "'a.weight', which is not in the file"), (None, "more than once"), ("", "which is not in the file")],
)
def test_an_order_names_each_tensor_once(tmp_path, order, told):
    theirs = renamed(small_state())
    order = ",".join([*theirs, next(iter(theirs))]) if order is None else order
    save_file(theirs, tmp_path / "theirs.safetensors", {"order": order})
    assert told in refused(weights=tmp_path / "theirs.safetensors")


def test_an_order_leaves_no_tensor_out(tmp_path):
    theirs = renamed(small_state())
    save_file(theirs, tmp_path / "theirs.safetensors", {"order": ",".join(list(theirs)[:-1])})
    assert f"'{list(theirs)[-1]}' is not in it" in refused(weights=tmp_path / "theirs.safetensors")


@pytest.mark.parametrize("nest", ["state_dict", "model"])
def test_a_nest_is_told(tmp_path, nest):
    torch.save({"epoch": 3, nest: small_state()}, tmp_path / "run.pth")
    built = small(weights=tmp_path / "run.pth")
    assert same(built, small_state())
    assert any(f"under '{nest}'" in note for note in built.notes)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_are_taken_off_and_told(tmp_path, prefix, suffix):
    state, file = {f"{prefix}{name}": t for name, t in small_state().items()}, tmp_path / f"run.{suffix}"
    save_file(state, file) if suffix == "safetensors" else torch.save(dict(reversed(state.items())), file)
    built = small(weights=file)
    assert same(built, small_state())
    told = [note.partition(" ")[0] for note in built.notes if "taken from the names" in note]
    assert sorted(told) == sorted(f"'{part}.'" for part in prefix.strip(".").split("."))


def test_prefixes_are_taken_off_a_written_order_too(tmp_path):
    theirs = {f"module.{name}": t for name, t in renamed(small_state()).items()}
    save_file(theirs, tmp_path / "theirs.safetensors", {"order": ",".join(theirs)})
    own = {name: tensor for name, tensor in small_state().items() if "num_batches" not in name}
    assert same(small(weights=tmp_path / "theirs.safetensors"), own)


def test_half_precision_becomes_single_and_is_told(tmp_path):
    state = {name: t.half() if t.is_floating_point() else t for name, t in small_state().items()}
    save_file(state, tmp_path / "half.safetensors")
    built = small(weights=tmp_path / "half.safetensors")
    assert built.head[2].weight.dtype == torch.float32
    assert any("torch.float16" in note for note in built.notes)


def test_loaded_weights_do_not_hang_on_the_file(tmp_path):
    file = tmp_path / "mine.safetensors"
    save_file(small_state(), file)
    built = small(weights=file)
    file.write_bytes(bytes(file.stat().st_size))
    file.unlink()
    assert same(built, small_state())


# classes


def test_the_file_decides_the_classes_of_a_network_of_the_zoo(tmp_path):
    save_file(dict(net("resnet20", classes=3).state_dict()), tmp_path / "three.safetensors")
    assert net("resnet20", weights=tmp_path / "three.safetensors").head[2].out_features == 3


def test_other_classes_keep_all_but_the_last_layer(tmp_path):
    file, state = tmp_path / "mine.safetensors", small_state()
    save_file(state, file)
    built = small(weights=file, classes=["cat", "dog"])
    assert built.classes == ("cat", "dog")
    assert built.head[2].weight.shape == (2, 8)
    assert same(built, {name: tensor for name, tensor in state.items() if not name.startswith("head.2")})
    assert any("5 classes" in note for note in built.notes)
    again, other = small(weights=file, classes=2), small(weights=file, classes=2, seed=1)
    assert torch.equal(built.head[2].weight, again.head[2].weight)
    assert not torch.equal(built.head[2].weight, other.head[2].weight)


def test_class_names_of_the_files_number_keep_the_last_layer(tmp_path):
    save_file(small_state(), tmp_path / "mine.safetensors")
    assert same(small(weights=tmp_path / "mine.safetensors", classes=list("abcde")), small_state())


# what does not fit


def test_a_kernel_on_its_side_does_not_fit(tmp_path):
    rest = "relu, globalpool, flatten, fc 2"
    wide, tall = f"conv 1x7x8, relu, conv 7x1x8, {rest}", f"conv 7x1x8, relu, conv 1x7x8, {rest}"
    torch.save(net(wide, input="12x12x8").state_dict(), file := tmp_path / "wide.pth")
    message = refused(tall, weights=file, input="12x12x8")
    assert "(8, 8, 1, 7)" in message and "(8, 8, 7, 1)" in message


def test_too_many_and_too_few_tensors_are_named(tmp_path):
    state = renamed(small_state())
    torch.save({**state, "extra.weight": torch.zeros(3)}, tmp_path / "more.pth")
    assert "'extra.weight' left over" in refused(weights=tmp_path / "more.pth")
    torch.save(dict(list(state.items())[:-2]), tmp_path / "less.pth")
    message = refused(weights=tmp_path / "less.pth")
    assert "'head.2.weight', 'head.2.bias' left over" in message


def test_whole_numbers_are_no_weights(tmp_path):
    state = small_state()
    name = own_tensors(state)[0]
    save_file({**state, name: state[name].to(torch.int32)}, tmp_path / "whole.safetensors")
    assert "torch.int32" in refused(weights=tmp_path / "whole.safetensors")


def test_the_meta_device_has_no_weights(tmp_path):
    save_file(small_state(), tmp_path / "mine.safetensors")
    with torch.device("meta"):
        assert "meta device" in refused(weights=tmp_path / "mine.safetensors")
