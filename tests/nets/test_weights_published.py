"""Published weights: known by their names, refused where they do not fit, and written back."""

from pathlib import Path

import pytest
import torch
from pattern import weight
from safetensors.torch import save_file
from small import refused

from striate.errors import UnknownName, WeightsError
from striate.nets.build import assemble, net
from striate.nets.naming import to_state_dict
from striate.nets.published import layouts, published


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


def test_almost_the_right_names_say_what_is_missing(tmp_path):
    state = publish("resnet18", "timm", file := tmp_path / "backbone.safetensors")
    del state["fc.weight"], state["fc.bias"]
    save_file({**state, "neck.weight": torch.zeros(2)}, file)
    message = refused("resnet18", weights=file)
    assert "lacks 'fc.bias', 'fc.weight'" in message
    assert "has also 'neck.weight'" in message


# the way back


def test_only_what_a_publisher_has_can_go_back():
    with pytest.raises(UnknownName, match="torchvision"):
        to_state_dict(net("resnet18"), "torchvison")
    with pytest.raises(WeightsError, match="publishes no network with the layers of resnet20"):
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
