"""docs/notation.md is true: every example of its tables builds."""

import re
from pathlib import Path

import pytest

from striate.nets.build import net

PAGE = (Path(__file__).parent.parent / "docs" / "notation.md").read_text()
EXAMPLES = [example.replace("\\|", "|") for example in re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_builds(example):
    assert net(example, input="32x32x8").notation


def test_the_page_knows_every_layer():
    from striate.nets.words import FLAGS, LAYERS

    words = set(re.findall(r"[a-z]+\d?", PAGE))
    assert set(LAYERS) | set(FLAGS) <= words


def test_python_runs(capsys):
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, {})
    assert "head: fc 120" in capsys.readouterr().out
