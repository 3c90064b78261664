"""The networks of the papers, by name. An entry's text is in the layer notation and made from the paper's table."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite

from striate.errors import NotationError, StriateError, UnknownName
from striate.nets.words import KEYWORDS, LAYER


@dataclass(frozen=True)
class Entry:
    """One network.

    Parameters
    ----------
    name
        what it is asked for by
    text
        makes the notation; takes `classes` and the options
    input
        the native size of its pictures
    year
        of publication
    idea
        what was new, in a few words
    classes
        outputs, unless others are asked for
    options
        keywords that `text` takes beside `classes`, with their defaults
    """

    name: str
    text: Callable[..., str]
    input: str
    year: int
    idea: str
    classes: int = 1000
    options: Mapping[str, bool | float | str] = field(default_factory=dict)

    def chosen(self, options: dict[str, object]) -> dict[str, object]:
        """The options that are asked for, each of its default's kind."""
        for option, value in options.items():
            if option not in self.options:
                takes = f"; it takes {', '.join(self.options)}" if self.options else ""
                raise StriateError(f"{self.name} has no option '{option}'{takes}")
            default = self.options[option]
            kind = {bool: "true or false", float: "a number", str: "a word"}[type(default)]
            if isinstance(value, int) and isinstance(default, float) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not type(default) or (isinstance(value, float) and not isfinite(value)):
                raise StriateError(f"{option} of {self.name} is {kind}, as in {option}={default}, but is {value}")
        return options


def zoo() -> dict[str, Entry]:
    """Every network, family after family."""
    from striate.nets import (
        alexnet,
        convnext,
        efficientnet,
        googlenet,
        lenet,
        mobilenet,
        nin,
        resnet,
        resnet_cifar,
        vgg,
    )

    families = (lenet, alexnet, nin, vgg, googlenet, resnet, resnet_cifar, mobilenet, efficientnet, convnext)
    return {entry.name: entry for family in families for entry in family.NETWORKS}


def find(text: str) -> Entry | None:
    """The entry of a name; None for a text in the layer notation; an error for a word that is neither."""
    if not re.fullmatch(r"\s*[\w.-]+\s*(\([^)|]*\))?\s*", text):
        return None
    name, _ = split_options(text)
    known = zoo()
    for entry in known.values():
        if plain(entry.name) == plain(name):
            return entry
    word = name.lower()
    if word in KEYWORDS or word in LAYER or re.sub(r"\d+$", "", word) in LAYER:
        return None
    raise UnknownName("network", name, known)


def plain(name: str) -> str:
    """A name without what people write differently: ResNet-18 is resnet18."""
    return re.sub(r"[\s_.-]", "", name).lower()


def split_options(text: str) -> tuple[str, dict[str, object]]:
    """'resnet20(shortcut=B)' -> 'resnet20', {'shortcut': 'B'}; a bare word switches an option on."""
    name, _, inside = text.strip().rstrip(")").partition("(")
    options: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in inside.split(","))):
        key, equals, value = (word.strip() for word in part.partition("="))
        if equals and not value:
            raise NotationError(f"an option is written name=value, as in resnet20(shortcut=B), but '{part}' is written")
        options[key] = number(value) if equals else True
    return name.strip(), options


def number(value: str) -> object:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        return float(value)
    except ValueError:
        return value
