"""Weights from files: placed by order, and told when they do not fit."""

from pathlib import Path

import pytest
import torch
from pattern import weight
from safetensors.torch import save_file
from small import refused, small, small_state

from striate.errors import UnknownName, WeightsError
from striate.nets.build import assemble, net
from striate.nets.placing import own_tensors
from striate.nets.published import layouts, published
from striate.nets.weights import to_state_dict


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


# published files


def publish(network: str, publisher: str, file: Path) -> dict[str, torch.Tensor]:
    """A file as the publisher's would be, without counters, with weights of no worth."""
    state = to_state_dict(assemble(network, None, None, {}), publisher)
    state = {name: weight(name, tuple(t.shape)) for name, t in state.items() if "num_batches" not in name}
    save_file(state, file) if file.suffix == ".safetensors" else torch.save(state, file)
    return state


def test_a_published_file_brings_its_record(tmp_path):
    state = publish("resnet18", "torchvision", file := tmp_path / "resnet18-f37072fd.pth")
    built = net("resnet18", weights=file)
    (record,) = (record for record in published("resnet18") if record.file == file.name)
    assert built.preprocess == record.preprocess
    assert any("69.758 %" in note for note in built.notes)
    back = to_state_dict(built, "torchvision")
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


def test_the_same_names_in_an_unknown_file_tell_that_preprocess_is_unknown(tmp_path):
    publish("resnet18", "timm", tmp_path / "downloaded.safetensors")
    built = net("resnet18", weights=tmp_path / "downloaded.safetensors")
    assert built.preprocess is None
    assert any("preprocess is not set" in note for note in built.notes)


@pytest.mark.parametrize("place", ["mobilenetv2_100.ra_in1k.safetensors", "mobilenetv2_100.ra_in1k/model.safetensors"])
def test_a_file_fetched_by_hand_is_known_by_its_or_its_folders_name(tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    publish("mobilenet_v2", "timm", tmp_path / place)
    built = net("mobilenet_v2", weights=tmp_path / place)
    assert built.preprocess and built.preprocess.interpolation == "bicubic"


def test_other_weights_in_a_known_place_do_not_get_its_record(tmp_path):
    file = tmp_path / "mobilenetv2_100.ra_in1k.safetensors"
    state = to_state_dict(net("mobilenet_v2", classes=3), "timm")
    save_file(state, file)
    built = net("mobilenet_v2", weights=file)
    assert built.preprocess is None
    assert built.head[3].out_features == 3
    assert any("3 classes" in note for note in built.notes)


def test_preprocess_follows_the_size_that_is_asked_for(tmp_path):
    publish("mobilenet_v2", "timm", file := tmp_path / "mobilenetv2_100.ra_in1k.safetensors")
    built = net("mobilenet_v2", weights=file, input="112x112x3")
    assert built.preprocess and (built.preprocess.size, built.preprocess.resize) == ((112, 112), 128)


def test_side_heads_of_the_file_are_skipped_and_told(tmp_path):
    state = to_state_dict(assemble("googlenet_torchvision", None, None, {"auxiliary": True}), "torchvision")
    state = {name: weight(name, tuple(t.shape)) for name, t in state.items() if "num_batches" not in name}
    torch.save(state, file := tmp_path / "googlenet-1378be20.pth")
    built = net("googlenet_torchvision", weights=file)
    assert any("'aux1.conv.conv.weight'" in note for note in built.notes)
    assert torch.equal(built.head[3].weight, state["fc.weight"])
    with_heads = net("googlenet_torchvision", auxiliary=True, weights=file)
    assert not any("aux1" in note for note in with_heads.notes)
    assert torch.equal(with_heads.get_parameter("stage4.2.body.5.weight"), state["aux1.fc1.weight"])


def test_an_epsilon_that_differs_is_set_told_and_guarded_on_the_way_back(tmp_path):
    layout = next(la for la in layouts() if la.settings)
    assert (layout.publisher, layout.network) == ("timm", "efficientnet_b5")
    plain = net("efficientnet_b5")
    with pytest.raises(WeightsError, match="not as timm publishes it"):
        to_state_dict(plain, "timm")
    ours = [t for name, t in plain.state_dict().items() if "num_batches" not in name]
    save_file({name: t.clone() for name, t in zip(layout.tensors, ours, strict=True)}, tmp_path / "b5.safetensors")
    built = net("efficientnet_b5", weights=tmp_path / "b5.safetensors")
    assert {m.eps for m in built.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {1e-5}
    assert any("epsilon of 1e-05" in note for note in built.notes)
    to_state_dict(built, "timm")


# what does not fit


def test_weights_of_another_network_name_the_first_tensor_that_does_not_fit(tmp_path):
    publish("resnet34", "torchvision", file := tmp_path / "other.safetensors")
    message = refused("resnet18", weights=file)
    assert "'layer1.2.conv1.weight' of shape (64, 64, 3, 3)" in message
    assert "'stage2.0.0.body.0.weight' of shape (128, 64, 3, 3)" in message
    assert "torchvision's resnet34" in message


def test_a_known_file_of_another_network_is_told_by_name(tmp_path):
    publish("resnet18", "torchvision", file := tmp_path / "resnet18-f37072fd.pth")
    assert "weights of resnet18" in refused("resnet34", weights=file)


@pytest.mark.parametrize("name", ["resnet50-0676ba61.pth", "some50.pth", "some50.safetensors"])
def test_a_variant_that_shapes_do_not_show_is_refused(tmp_path, name):
    publish("resnet50", "torchvision", file := tmp_path / name)
    assert "resnet50 with stride_first=True" in refused("resnet50", weights=file, stride_first=True)
    assert "resnet50 with stride_first=True" in refused("ResNet-50(stride_first)", weights=file)
    assert net("ResNet-50", weights=file, stride_first=False).name == "resnet50"


def test_a_variant_that_shapes_show_takes_its_own_file_only(tmp_path):
    publish("mobilenet_v2", "torchvision", file := tmp_path / "mobilenet_v2-b0353104.pth")
    assert "mobilenet_v2 with width=0.5" in refused("mobilenet_v2", weights=file, width=0.5)
    (layout,) = (la for la in layouts() if (la.publisher, la.network) == ("timm", "mobilenet_v2"))
    half = [t for name, t in net("mobilenet_v2", width=0.5).state_dict().items() if "num_batches" not in name]
    save_file(dict(zip(layout.tensors, half, strict=True)), file := tmp_path / "half.safetensors")
    assert torch.equal(net("mobilenet_v2", width=0.5, weights=file).stem[0].weight, half[0])


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


def test_almost_the_right_names_say_what_is_missing(tmp_path):
    state = publish("resnet18", "timm", file := tmp_path / "backbone.safetensors")
    del state["fc.weight"], state["fc.bias"]
    save_file({**state, "neck.weight": torch.zeros(2)}, file)
    message = refused("resnet18", weights=file)
    assert "lacks 'fc.bias', 'fc.weight'" in message
    assert "has also 'neck.weight'" in message


def test_whole_numbers_are_no_weights(tmp_path):
    state = small_state()
    name = own_tensors(state)[0]
    save_file({**state, name: state[name].to(torch.int32)}, tmp_path / "whole.safetensors")
    assert "torch.int32" in refused(weights=tmp_path / "whole.safetensors")


def test_the_meta_device_has_no_weights(tmp_path):
    save_file(small_state(), tmp_path / "mine.safetensors")
    with torch.device("meta"):
        assert "meta device" in refused(weights=tmp_path / "mine.safetensors")


# the way back


def test_only_what_a_publisher_has_can_go_back():
    with pytest.raises(UnknownName, match="torchvision"):
        to_state_dict(net("resnet18"), "torchvison")
    with pytest.raises(WeightsError, match="publishes no network like resnet20"):
        to_state_dict(net("resnet20"), "timm")
    with pytest.raises(WeightsError, match="not as torchvision publishes it"):
        to_state_dict(net("resnet50", stride_first=True), "torchvision")


def test_the_way_back_keeps_the_classes():
    assert to_state_dict(net("resnet18", classes=7), "torchvision")["fc.weight"].shape == (7, 512)


# the records


def test_published_lists_by_network():
    assert {record.network for record in published("resnet50")} == {"resnet50"}
    assert published("lenet5") == []
    assert len(published()) > 40
    with pytest.raises(UnknownName, match="resnet50"):
        published("resnet51")


def test_every_record_has_a_layout():
    known = {(layout.publisher, layout.network) for layout in layouts()}
    assert {(record.publisher, record.network) for record in published()} == known
