"""The README is true: its commands print what it shows, its Python runs, its file tree is the project's.

`python tests/test_readme.py` runs the commands and writes their output into the README.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from striate.cli import main

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
TREE = re.compile(r"```text\n(.*?)```", re.DOTALL)


def run(command: str) -> str:
    """What a command prints, on standard output or as its mistake, as it looks 100 columns wide."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        main(shlex.split(command)[1:])
    lines = (out.getvalue() + err.getvalue()).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def replay(block: str) -> str:
    """A console block with its output as it is now."""
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    return "\n\n".join(f"$ {command}\n{run(command)}" for command in commands) + "\n"


@pytest.fixture
def wide(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("block", CONSOLE.findall(README.read_text()), ids=lambda block: block.splitlines()[0][2:40])
def test_commands_print_what_the_readme_shows(block, wide):
    assert replay(block) == block


def test_python_runs(wide):
    names = {}
    for block in PYTHON.findall(README.read_text()):
        if "weights=" not in block:  # published weights are downloaded
            exec(block, names)


def test_pictures_are_there():
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README.read_text()):
        assert (ROOT / picture).is_file()


def test_file_tree_is_true():
    (tree,) = TREE.findall(README.read_text())
    shown, folders = set(), []
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        folders = [*folders[:depth], name.rstrip("/")]
        if not name.endswith("/"):
            shown.add("/".join(folders))
    there = {str(p.relative_to(ROOT)) for folder in ("striate", "bench") for p in (ROOT / folder).rglob("*.py")}
    there = {path for path in there if not path.endswith(("/__init__.py", "__main__.py"))}
    assert shown == there


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    text = README.read_text()
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else "/tmp")
    README.write_text(CONSOLE.sub(lambda match: f"```console\n{replay(match[1])}```", text))
    (ROOT / "docs" / "pictures").mkdir(exist_ok=True)
    for picture in ("edges.png", "views.png"):
        shutil.copy(picture, ROOT / "docs" / "pictures" / picture)
