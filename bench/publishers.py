"""The publishers' own networks, by striate's names: torchvision's, timm's, and a transcription of BVLC's GoogLeNet."""

from torch import nn

from bench import peers
from bench.googlenet_bvlc import GoogLeNet

torchvision = peers.torchvision()
import timm  # noqa: E402  it needs torchvision

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
VGG = tuple(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn"))
TORCHVISION = {  # ours: theirs
    "alexnet_torchvision": "alexnet",
    **{name: name for name in VGG},
    "googlenet_torchvision": "googlenet",
    **{name: name for name in DEPTHS},
    "mobilenet_v2": "mobilenet_v2",
    **{f"efficientnet_b{phi}": f"efficientnet_b{phi}" for phi in range(8)},
    "convnext_tiny": "convnext_tiny",
}
TIMM = {
    **{name: f"{name}.tv_in1k" for name in VGG},
    **{name: f"{name}.a1_in1k" for name in DEPTHS},
    "mobilenet_v2": "mobilenetv2_100.ra_in1k",
    "efficientnet_b0": "efficientnet_b0.ra_in1k",
    "efficientnet_b1": "efficientnet_b1.ft_in1k",
    "efficientnet_b2": "efficientnet_b2.ra_in1k",
    "efficientnet_b3": "efficientnet_b3.ra2_in1k",
    "efficientnet_b4": "efficientnet_b4.ra2_in1k",
    "efficientnet_b5": "efficientnet_b5.sw_in12k_ft_in1k",
    "convnext_tiny": "convnext_tiny.fb_in1k",
}


def theirs(publisher: str, network: str, options: dict) -> nn.Module:
    """The publisher's network, without weights worth anything."""
    if publisher == "bvlc":
        return GoogLeNet()
    if publisher == "timm":
        return timm.create_model(TIMM[network].partition(".")[0])
    make = getattr(torchvision.models, TORCHVISION[network])
    aux = {"aux_logits": bool(options), "init_weights": False} if network == "googlenet_torchvision" else {}
    return make(weights=None, **aux)


def variants() -> list[tuple[str, str, dict]]:
    """(publisher, network, options) of every layout."""
    found = [("torchvision", network, {}) for network in TORCHVISION]
    found += [("torchvision", "googlenet_torchvision", {"auxiliary": True})]
    return [*found, *(("timm", network, {}) for network in TIMM), ("bvlc", "googlenet", {})]


def model_name(publisher: str, network: str) -> str:
    """What the publisher calls a network."""
    if publisher == "timm":
        return TIMM[network].partition(".")[0]
    return TORCHVISION[network] if publisher == "torchvision" else "bvlc_googlenet"


def epsilons(network: nn.Module) -> set[float]:
    return {m.eps for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
