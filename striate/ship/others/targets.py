"""A run's weights for others: under a publisher's names, as a program of PyTorch, or as a folder to upload.

Every target has a model card beside it, which says what the weights are and how they are used.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import torch

from striate.errors import StriateError, WeightsError
from striate.files import check_output, whole_folder, write_text, write_together, writer
from striate.nets.build import net as build
from striate.nets.naming import layout_of, to_state_dict
from striate.nets.net import Net
from striate.nets.zoo import find
from striate.ship.about import KEY
from striate.ship.assembly import about_run
from striate.ship.others.card import MARK, card
from striate.ship.others.hub import FILES, write_hub
from striate.ship.others.timm_config import timm_config
from striate.ship.others.using import as_program, as_run, as_timm, as_torchvision, as_weights
from striate.show.names import listed, printable
from striate.show.table import json_text
from striate.train.ensemble import Ensemble
from striate.train.keep.sealed import save_sealed, sealing
from striate.train.run import CONFIG, MODEL, Run, write_json

ENDINGS = {
    "torchvision": (".safetensors", ".pth"),
    "timm": (".safetensors", ".pth", ""),  # without one: a folder
    "safetensors": (".safetensors",),
    "torch-export": (".pt2",),
    "hub": ("",),
}
CARD = "README.md"  # of a folder, where Hugging Face looks for it
Files = dict[Path, tuple[Callable[[BinaryIO], object], str]]  # what writes each, and what is told of it
ABOUT = f"{KEY}.json"  # in a program of PyTorch, what it says of itself


def write_target(run: Run, to: str, output: Path) -> list[str]:
    """Write a run's weights as others read them; gives what there is to tell.

    Parameters
    ----------
    run
        whose network
    to
        torchvision or timm: under the publisher's names, which its own network loads strictly. safetensors: under
        striate's. torch-export: a program that PyTorch runs without striate, from normalised pictures (batch, channels,
        height, width) of float32 to logits (batch, classes), as the networks of torchvision and timm; batches of any
        length. hub: a folder to upload to Hugging Face, which striate opens like a run
    output
        a file, ending in .safetensors, .pth (torchvision, timm) or .pt2 (torch-export); a folder for hub, and for timm
        where it has no ending
    """
    if isinstance(run, Ensemble):
        members = listed([str(member.folder) for member in run.members.values()], 9)
        raise StriateError(
            f"--to takes the weights of one network, but {printable(run.folder)} is the mean of several; "
            f"take its members: {members}"
        )
    if to == "hub" or (to == "timm" and not output.suffix):
        _check_folder(output)
    else:
        if output.name == MODEL and (output.parent / CONFIG).exists():
            raise StriateError(f"the output must not be a run's own weights, but {printable(output)} is")
        check_output(output, [ending for ending in ENDINGS[to] if ending], source=run.folder / MODEL)
        _check_card(output)
    write = {"torchvision": _torchvision, "timm": _timm, "safetensors": _plain, "torch-export": _program, "hub": _hub}
    network = run.net()
    try:
        return write[to](run, network, output)
    except WeightsError as mistake:  # a publisher has no such network
        raise WeightsError(f"{mistake}; --to safetensors, torch-export, hub and onnx take any network") from mistake


def _torchvision(run: Run, net: Net, output: Path) -> list[str]:
    state, model = to_state_dict(net, "torchvision"), layout_of(net, "torchvision").model
    if net.input and net.input[2] != 3:
        raise StriateError(
            f"torchvision's {model} takes 3 channels, but this network takes {net.input[2]}; "
            "--to timm or safetensors would fit"
        )
    use = as_torchvision(run, model, output.name)
    return _write(_weights(run, net, state, output) | _card(run, output, "torchvision", use))


def _timm(run: Run, net: Net, output: Path) -> list[str]:
    state = to_state_dict(net, "timm")
    config, notes = timm_config(run, layout_of(net, "timm").model, state)
    if output.suffix:
        beside = output.with_suffix(".timm.json")
        made = {beside: (writer(json_text(config)), "how timm makes the network and fits pictures")}
        use = as_timm(run, output.name, beside.name)
        return _write(_weights(run, net, state, output) | made | _card(run, output, "timm", use)) + notes
    with whole_folder(output, _own({CARD, CONFIG, MODEL})) as part:
        save_sealed(part / MODEL, state, _about(run, net))
        write_json(part / CONFIG, config)
        write_text(part / CARD, card(run, "timm", as_timm(run, output.name, None)))
    return [f"{printable(output)}: a folder for timm, to be uploaded to Hugging Face as it is", *notes]


def _plain(run: Run, net: Net, output: Path) -> list[str]:
    return _write(
        _weights(run, net, net.state_dict(), output) | _card(run, output, "striate", as_weights(run, output.name))
    )


def _program(run: Run, net: Net, output: Path) -> list[str]:
    assert net.input
    height, width, channels = net.input
    example = torch.rand(2, channels, height, width)  # of 1 picture, PyTorch would take the length for a constant
    program = torch.export.export(net, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={ABOUT: json_text(_about(run, net))})
    told = "a program of PyTorch, from normalised pictures to logits"
    made: Files = {output: (lambda file: file.write(content.getbuffer()), told)}
    return _write(made | _card(run, output, "pytorch", as_program(run, output.name)))


def _hub(run: Run, net: Net, output: Path) -> list[str]:
    with whole_folder(output, _own({CARD, MODEL, *FILES})) as part:
        save_sealed(part / MODEL, net.state_dict(), _about(run, net))
        write_hub(run, part)
        write_text(part / CARD, card(run, "striate", as_run(output.name)))
    return [f"{printable(output)}: a folder to upload to Hugging Face, which striate opens like a run"]


def _weights(run: Run, net: Net, state: dict[str, Any], output: Path) -> Files:
    """A file of weights, with what they mean in it or, since plain tensors of PyTorch hold no text, beside it."""
    about = _about(run, net)
    if output.suffix.lower() == ".safetensors":
        return {output: (sealing(state, about), "weights; classes and preprocess are in its metadata")}
    beside = output.with_suffix(".about.json")
    return {
        output: (lambda file: torch.save(state, file), "weights"),
        beside: (writer(json_text(about)), "classes and preprocess"),
    }


def _write(files: Files) -> list[str]:
    """Write files that belong together, the weights, which come first, last: they never lie there without a card."""
    write_together({path: write for path, (write, _) in reversed(files.items())})
    return [f"{printable(path)}: {told}" for path, (_, told) in files.items()]


def _about(run: Run, net: Net) -> dict[str, Any]:
    """What the weights are of, and what they mean; striate reads it again where they are given as --weights."""
    about = asdict(about_run(run))
    return {**about, "network": _builds(net), "notation": net.notation, "origin": net.origin}


def _builds(net: Net) -> str:
    """What `striate.net` builds a network from: the name or text that it was made from, where that says all."""
    assert net.input
    with torch.device("meta"), suppress(StriateError):
        text = net.name if find(net.name) else f"input {'x'.join(map(str, net.input))}, {net.name}"
        if build(text, input=net.input, classes=net.classes).notation == net.notation:
            return text
    return net.notation


def _card(run: Run, output: Path, library: str, use: str) -> Files:
    return {_card_of(output): (writer(card(run, library, use)), "its model card")}


def _card_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.card.md")  # weights for others may be called alike, but for their ending


def _check_card(output: Path) -> None:
    """Refuse to write over a card that somebody has edited."""
    path = _card_of(output)
    if path.exists() and not _written_here(path):
        raise StriateError(
            f"{printable(path)} is no page of striate's, or was edited; move it, or choose another --output"
        )


def _check_folder(output: Path) -> None:
    """Refuse what is plainly meant to be a file."""
    if output.suffix.lower() in (".onnx", *(ending for endings in ENDINGS.values() for ending in endings if ending)):
        raise StriateError(f"--to hub writes a folder, but {printable(output)} names a file; {output.stem} would fit")


def _own(names: set[str]) -> Callable[[Path], bool]:
    """Whether a folder holds nothing but what was written here."""
    return lambda folder: {path.name for path in folder.iterdir()} <= names and _written_here(folder / CARD)


def _written_here(page: Path) -> bool:
    return page.is_file() and MARK in page.read_text(encoding="utf-8", errors="replace")
