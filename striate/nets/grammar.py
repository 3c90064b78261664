"""The layer notation, read: a text becomes a tree of layers and groups, before any size is known.

    conv 5x5x6 s1 p2, relu, maxpool 2, fc 10     layers; commas and line breaks separate for the eye only
    stem: …; stage1: …; head: …                  stages with names
    ( … )                                        a block;  (…)x3  three of them, one after the other
    ( … )+     ( … | shortcut )+                 a residual block: adds its input, or a shortcut, to its body
    ( … )*                                       a gate: the input multiplied by what the group makes of it
    [ … | … | … ]                                branches whose channels are stacked, as in inception
    aux ( … )                                    a side head that exists in training only

Lists as lecture notes print them are read too: "CONV1: 11 x 11 x 96, Stride 4" and
"[55x55x96] CONV1: 96 11x11 filters at stride 4, pad 0".
"""

import re
from dataclasses import dataclass, field

from striate.errors import NotationError, UnknownName
from striate.nets.words import FLAG, FLAGS, KEYWORDS, LAYER, LAYERS, NOISE, OPTION, OPTIONS, normalise
from striate.ops.size import count, parse_size

NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
OPTION_WORDS = "|".join(sorted(OPTION, key=len, reverse=True))
DEEPEST = 50  # groups in groups
TOKENS = re.compile(
    rf"""(?P<claim>\[\s*\d+(?:x\d+)*\s*\])          # [55x55x96]: the size that the notes print beside a layer
       | (?P<option>(?:{OPTION_WORDS})\s*[=:]?\s*(?:{NUMBER}(?:x{NUMBER})*)(?![a-z0-9]))
       | (?P<times>x\d+(?![a-z0-9]))
       | (?P<label>[a-z_][a-z0-9_]*)\s*:
       | (?P<word>[a-z_][a-z0-9_]*)
       | (?P<size>{NUMBER}(?:x{NUMBER})+(?![a-z0-9]))
       | (?P<number>{NUMBER}(?![a-z0-9]))
       | (?P<mark>[()\[\]|+*])
       | (?P<space>(?:[\s,;–→]|-(?!\d)|\.(?!\d))+)                  # separators, and the dashes and arrows of notes
       | (?P<other>.)""",
    re.VERBOSE,
)


@dataclass
class Layer:
    """One word with its numbers: `conv 5x5x6 s2`."""

    word: str
    sizes: list[tuple[float, ...]] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    options: dict[str, tuple[float, ...]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    claim: tuple[int, ...] | None = None
    text: str = ""


@dataclass
class Group:
    """Layers in brackets. `kind` is block, sum, gate, concat or aux; all but concat and sum have one part."""

    kind: str
    parts: list[list["Layer | Group"]]


@dataclass
class Parsed:
    """What a text says: stages (without names, one called ''), the input size if it is written, and remarks."""

    stages: dict[str, list[Layer | Group]]
    input: tuple[int, ...] | None = None
    notes: list[str] = field(default_factory=list)


class Reader:
    """Walks over the tokens of a text once, from left to right."""

    def __init__(self, text: str):
        self.tokens = [(m.lastgroup, m[0].strip()) for m in TOKENS.finditer(normalise(text)) if m.lastgroup != "space"]
        self.place = 0
        self.depth = 0  # groups that are open
        self.count = 0  # layers read so far, to say where a mistake is
        self.parsed = Parsed({})

    def peek(self) -> tuple[str | None, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else (None, "")

    def take(self) -> tuple[str | None, str]:
        token = self.peek()
        self.place += 1
        return token

    def fail(self, sentence: str) -> NotationError:
        before = " ".join(text for _, text in self.tokens[max(0, self.place - 4) : self.place])
        return NotationError(f"after {count(self.count, 'layer')}, near '{before}': {sentence}" if before else sentence)

    def read(self) -> Parsed:
        name, items = "", []
        while self.place < len(self.tokens):
            kind, text = self.peek()
            if kind == "label" and self.layer_word(text.rstrip(": ")) is None:
                if items or name:
                    self.parsed.stages[name] = items
                name, items = text.rstrip(": "), []
                if name in self.parsed.stages:
                    raise self.fail(f"two stages are called '{name}'; every stage needs a name of its own")
                self.take()
            else:
                items += self.items(closing=())
                if self.peek()[0] == "mark":
                    raise self.fail(f"'{self.peek()[1]}' closes or divides a group that was not opened")
        self.parsed.stages[name] = items
        if not self.count:
            raise NotationError("a network needs at least one layer; for example: conv 5x5x6, relu, maxpool 2, fc 10")
        return self.parsed

    def items(self, closing: tuple[str, ...]) -> list[Layer | Group]:
        """Layers and groups up to (not including) a closing mark, the next stage, or the end."""
        items: list[Layer | Group] = []
        claim = None
        while True:
            kind, text = self.peek()
            if (
                kind is None
                or (kind == "mark" and text not in "([")
                or (kind == "label" and self.layer_word(text.rstrip(": ")) is None)
            ):
                if kind is None and closing:
                    raise self.fail(f"a group was opened and not closed; '{closing[0]}' is missing")
                return items
            if kind == "claim":
                claim = tuple(int(part) for part in self.take()[1].strip("[] ").split("x"))
            elif kind == "mark":
                items += self.group()
            elif kind in ("word", "label") and text.rstrip(": ") in KEYWORDS:
                items += self.auxiliary() if self.take()[1].startswith("aux") else self.input(claim)
                claim = None
            elif kind in ("word", "label"):
                items.append(self.layer(claim))
                claim = None
            else:
                raise self.fail(
                    f"'{text}' does not belong to a layer; a layer begins with its name, as in conv 5x5x6 s2 p1"
                )

    def group(self) -> list[Layer | Group]:
        opening = self.take()[1]
        closing = ")" if opening == "(" else "]"
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"groups can stand {DEEPEST} deep in one another, but here is one more")
        parts = [self.items((closing,))]
        while self.peek() == ("mark", "|"):
            self.take()
            parts.append(self.items((closing,)))
        self.depth -= 1
        if self.take() != ("mark", closing):
            raise self.fail(f"a group was opened with '{opening}' and must be closed with '{closing}'")
        kind = "concat" if opening == "[" else "block"
        if self.peek() in (("mark", "+"), ("mark", "*")) and opening == "(":
            kind = "sum" if self.take()[1] == "+" else "gate"
        if not parts[0] and kind != "concat":
            raise self.fail("a group needs at least one layer, but this one is empty")
        if len(parts) > {"concat": 99, "sum": 2}.get(kind, 1):
            raise self.fail("'|' divides branches in [ … | … ], or a body from its shortcut in ( … | … )+")
        times = int(self.take()[1][1:6]) if self.peek()[0] == "times" else 1  # five digits are too many already
        if not 1 <= times <= 1000:
            raise self.fail(f"a group can stand 1 to 1000 times, but x{times} is written")
        return [Group(kind, parts)] * times

    def auxiliary(self) -> list[Layer | Group]:
        if self.peek() != ("mark", "("):
            raise self.fail("a side head is written aux ( … )")
        group, *more = self.group()
        if more or not isinstance(group, Group) or group.kind != "block":
            raise self.fail("a side head is written aux ( … ), once, without + or * behind it")
        return [Group("aux", group.parts)]

    def input(self, claim: tuple[int, ...] | None) -> list[Layer | Group]:
        if self.peek()[0] == "size":
            claim = parse_size(self.take()[1])
        if claim is None or self.count or self.parsed.input:
            raise self.fail("the input stands once, before all layers, as in input 227x227x3")
        self.parsed.input = claim
        return []

    def layer_word(self, text: str) -> str | None:
        """The layer that a word names, with or without the number of a lecture's list (CONV1, FC6)."""
        plain = re.sub(r"_?\d+[a-z]?$", "", text)
        if plain == "pool":
            return "pool"
        if text in KEYWORDS:
            return text
        return LAYER.get(text) or LAYER.get(plain)

    def layer(self, claim: tuple[int, ...] | None) -> Layer:
        first = self.place
        written = self.take()[1].rstrip(": ")
        word = self.layer_word(written)
        if word is None and written in OPTION:
            raise self.fail(f"'{written}' is a detail of a layer and needs its number, as in {written} 2")
        if word is None:
            known = [*LAYERS, *FLAGS, *OPTIONS]
            raise NotationError(f"layer {self.count + 1}: {UnknownName('layer or detail of one', written, known)}")
        if word == "pool":
            word = "maxpool"
            self.parsed.notes.append(f"'{written}' is read as max pooling; write avgpool for the mean")
        self.count += 1
        layer = Layer(word, claim=claim)
        if word == "pointwise":
            layer.word, layer.sizes = "conv", [(1, 1)]
        while (token := self.peek())[0] in ("size", "number", "option") or (
            token[0] == "word" and self.is_detail(token[1])
        ):
            self.detail(layer, *self.take())
        layer.text = " ".join(text for _, text in self.tokens[first : self.place])
        return layer

    def is_detail(self, word: str) -> bool:
        return word in FLAG or word in NOISE

    def detail(self, layer: Layer, kind: str | None, text: str) -> None:
        if kind == "size":
            layer.sizes.append(tuple(float(part) for part in text.split("x")))
        elif kind == "number":
            layer.numbers.append(float(text))
        elif kind == "option":
            match = re.fullmatch(rf"([a-z]+)\s*[=:]?\s*({NUMBER}(?:x{NUMBER})*)", text)
            assert match, text
            name = OPTION[match[1]]
            if name in layer.options:
                raise self.fail(f"'{name}' is given twice for one {layer.word}")
            layer.options[name] = tuple(float(part) for part in match[2].split("x"))
        elif text in FLAG:
            layer.flags.append(FLAG[text])


def parse(text: str) -> Parsed:
    """Read a text in the layer notation."""
    return Reader(text).read()
