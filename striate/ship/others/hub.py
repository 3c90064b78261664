"""A run as others may have it: what opens it again, without its pictures' names and anyone's folders."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

from striate.files import write_whole
from striate.train.run import CONFIG, Run, write_json

FILES = (CONFIG, "classes.json", "preprocess.json", "history.jsonl", "result.json")
# folders before a file's own name; they may have spaces, so all of a sentence up to its last stroke is taken for them
PLACE = re.compile(r"(?:(?<=[\s='\"(])|^)(?:~|\.{1,2})?/(?=\S)(?:.*/)?", re.DOTALL)


def write_hub(run: Run, folder: Path) -> None:
    """Write what makes a folder a run, but for its weights and its card.

    Parameters
    ----------
    run
        what is published
    folder
        where
    """
    config = without_places(run.config)
    if run.config["command"].startswith("striate "):  # else it is a sentence of who called `striate.train`
        config["command"] = shlex.join(map(_without_place, shlex.split(run.config["command"])))
    write_json(folder / CONFIG, config)
    write_json(folder / "classes.json", run.classes)
    write_json(folder / "preprocess.json", run.preprocess.to_dict())
    lines = (run.folder / "history.jsonl").read_bytes().splitlines(keepends=True)
    numbers = [line for line in lines if line.endswith(b"\n") and json.loads(line)["kind"] != "note"]
    write_whole(folder / "history.jsonl", lambda file: file.writelines(numbers))
    if ended := run.result:
        # names of pictures may tell who is on them
        write_json(folder / "result.json", {**ended, "skipped": ["a picture"] * len(ended["skipped"])})


def without_places(told: Any) -> Any:
    """The same, with files and folders by their own names only: a path tells of whose machine it is.

    >>> without_places({"where": "/home/ann/photos", "why": "as in ../runs/pets", "like": "timm/resnet18"})
    {'where': 'photos', 'why': 'as in pets', 'like': 'timm/resnet18'}
    """
    if isinstance(told, dict):
        return {name: without_places(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [without_places(value) for value in told]
    return _without_place(told) if isinstance(told, str) else told


def _without_place(text: str) -> str:
    whole = re.fullmatch(r"(--[\w-]+=)?((?:~|\.{1,2})?/.*)", text, re.DOTALL)  # a path alone may have spaces
    return f"{whole[1] or ''}{Path(whole[2]).name}" if whole else PLACE.sub("", text)
