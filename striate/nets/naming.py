"""Weights under the names of those who publish such networks: the way back from `weights.py`."""

import re

from torch import Tensor

from striate.errors import UnknownName, WeightsError
from striate.nets.build import assemble
from striate.nets.net import Net, last_layer
from striate.nets.placing import counters, own_tensors, set_epsilon
from striate.nets.published import PUBLISHERS, Layout, layouts
from striate.show.numbers import show_size


def to_state_dict(net: Net, publisher: str) -> dict[str, Tensor]:
    """The network's tensors under a publisher's names and in its shapes, which its own network loads strictly.

    Parameters
    ----------
    net
        a network of the zoo; googlenet_torchvision fits torchvision's googlenet(aux_logits=False), and with
        auxiliary heads its googlenet(aux_logits=True)
    publisher
        torchvision, timm or bvlc

    >>> from striate.nets.build import net
    >>> list(to_state_dict(net("resnet18"), "timm"))[:3]
    ['conv1.weight', 'bn1.weight', 'bn1.bias']
    """
    layout = layout_of(net, publisher)
    state = {name: tensor.detach() for name, tensor in net.state_dict().items()}
    ours = own_tensors(state)
    found = {
        name: state[mine].reshape(state[mine].shape if rest is None else (len(state[mine]), *rest)).clone()
        for mine, (name, rest) in zip(ours, layout.tensors.items(), strict=True)
    }
    return found | {name: state[mine].clone() for mine, name in counters(ours, list(layout.tensors)).items()}


def layout_of(net: Net, publisher: str) -> Layout:
    """The publisher's tensors for a network, if its own network gives the same answers with the same weights.

    Parameters
    ----------
    net
        a network of the zoo
    publisher
        torchvision, timm or bvlc
    """
    if publisher not in PUBLISHERS:
        raise UnknownName("publisher", publisher, PUBLISHERS)
    fitting = [layout for layout in layouts() if layout.network == net.name]
    theirs = [layout for layout in fitting if layout.publisher == publisher]
    if not theirs:
        others = [layout.publisher for layout in fitting]
        offer = f"; striate.to_state_dict(net, '{others[0]}') names its weights as {others[0]} does" if others else ""
        raise WeightsError(
            f"{publisher} publishes no network with the layers of {net.name or 'this part'}, whatever it calls others"
            f"{offer}"
        )
    found = next((layout for layout in theirs if same_answers(net, layout)), None)
    if found is None:
        raise WeightsError(
            f"this {net.name} is not as {publisher} publishes it: it has other layers, options or epsilons, "
            "so the same weights would answer differently there"
        )
    return found


def same_answers(net: Net, layout: Layout) -> bool:
    """Whether a network is the layout's, apart from the values of its weights."""
    set_epsilon(other := twin(net, layout), layout.settings.get("batch_norm_eps"))
    return _as_used(other) == _as_used(net)


def _as_used(net: Net) -> str:
    """The notation without what matters in training only."""
    return re.sub(r"\b(dropout|droppath) [\d.e-]+", r"\1", net.notation)


def twin(net: Net, layout: Layout) -> Net:
    """The layout's network of the zoo, at this one's size and with its number of outputs."""
    size = show_size(net.input) if net.input else None
    return assemble(layout.network, size, last_layer(net)[1].weight.shape[0], layout.options)
