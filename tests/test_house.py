"""The house itself: what is imported when, in which direction, and what the command line does with mistakes."""

import ast
import importlib
import inspect
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import docstring_parser
import pytest

import striate
from striate.cli import COMMANDS, OPTIONS, main

ROOMS = [
    "errors",
    "files",
    "processors",
    "show",
    "pictures",
    "preprocess",
    "ops",
    "nets",
    "measure",
    "engine",
    "data",
    "train",
    "evaluate",
    "look",
    "report",
    "ship",
    "cli",
]
SOURCE = Path(striate.__file__).parent


def run(*words: str, **settings) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, **settings)


def test_importing_striate_imports_no_torch():
    code = "import sys, striate; dir(striate); print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert run("-c", code).stdout.split() == ["False", "False"]


def test_it_is_found_beside_a_folder_of_its_name(tmp_path):
    (tmp_path / "striate").mkdir()  # as it is where one stands above a clone
    assert "function" in run("-c", "import striate; print(striate.net)", cwd=tmp_path).stdout


def test_every_public_name_is_there():
    for name in striate.__all__:
        assert getattr(striate, name) is not None
    assert sorted(striate.PUBLIC) == sorted(striate.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        striate.nonsense  # noqa: B018


def test_help_answers_at_once_and_imports_no_torch():
    def seconds(code: str, said: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert said in run("-c", code).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # of processor time, beside what any program takes that shows such a help: the machine may be busy
    help, least = "from striate.cli import main; main(['--help'])", "import cyclopts, rich.console"
    turns = [(seconds(help, "List the networks of the papers"), seconds(least, "")) for _ in range(5)]
    assert min(one for one, _ in turns) < 4 * min(other for _, other in turns)
    code = "import sys; from striate.cli import app; app.help_print([]); print('torch' in sys.modules)"
    assert run("-c", code).stdout.split()[-1] == "False"


def imports(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return found + [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_to_earlier_rooms(path):
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room in ("__init__", "__main__", "demo"):
        return
    for module in imports(path):
        if module.startswith("striate."):
            other = module.split(".")[1]
            assert ROOMS.index(other) <= ROOMS.index(room), f"{room} imports {module}"
        if room in ("errors", "files", "processors", "pictures", "preprocess", "ops", "show", "cli"):
            assert not module.startswith("torch"), f"{room} imports {module}"


def test_every_command_shows_its_help(capsys):
    def paths(commands, prefix=()):
        for word, target in commands.items():
            yield from paths(target, (*prefix, word)) if isinstance(target, dict) else [[*prefix, word]]

    for words in paths(COMMANDS):
        main([*words, "--help"])
        assert f"Usage: striate {' '.join(words)}" in capsys.readouterr().out


@pytest.mark.parametrize("word", OPTIONS)
def test_options_in_groups_are_all_of_them_and_name_their_choices(word, capsys):
    module, _, name = COMMANDS[word].partition(":")
    function = getattr(importlib.import_module(module), name)
    named = [option.replace("-", "_") for names in OPTIONS[word].values() for option in names.split()]
    assert sorted(named) == sorted([*inspect.signature(function).parameters, "json", "csv"])
    texts = {entry.arg_name: entry.description or "" for entry in docstring_parser.parse(function.__doc__ or "").params}
    for option, hint in get_type_hints(function).items():
        assert option == "return" or texts[option]
        for choice in (
            one for part in (hint, *get_args(hint)) if get_origin(part) is Literal for one in get_args(part)
        ):
            assert re.search(rf"\b{choice}\b", texts[option]), f"{option} does not say {choice}"
    main([word, "--help"])
    told = capsys.readouterr().out
    assert all(f"─ {title} ─" in told for title in OPTIONS[word])
    assert "choices:" not in told
    assert "|DATASET" not in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["shapes", "vgg61"], "no network is called 'vgg61'; did you mean vgg"),
        (["shapes"], "give a network's name"),
        (["shapes", "vgg16", "--by", "colour"], "--by is layer or stage, but is 'colour'"),
        (["shapes", "vgg16", "--input", "0x3x3"], "every part of a size must be at least 1"),
        (["shapes", "vgg16", "--batch", "0"], "holds 1 to 1,000,000 pictures, but 0"),
        (["shapes", "alexnet", "--input", "20x20x3"], "leaves no output"),
        (["shapes", "vgg16", "--json", "--csv"], "give --json or --csv, not both"),
        (["text", "lenet5", "--csv"], "has no form as CSV"),
        (["nets", "--max-params", "-1"], "max-params must be above 0"),
        (["shapes", "vgg16", "lenet5", "--by", "stage"], "several are compared as wholes"),
        (["shapes", "vgg16", "--batch", "99999999999999999999"], "holds 1 to 1,000,000 pictures"),
        (["nets", "--max-params", "nan"], "max-params must be above 0"),
        (["shapes", "vgg16", "--batch", "1.5"], "is a whole number, but is '1.5'"),
        (["shapes", "vgg16", "--classes", "1.5"], "is a whole number, but is '1.5'"),
        (["shape", "vgg16"], "shapes"),
        (["check"], "striate check needs a word for WHERE; striate check --help says what it may be"),
        (["op", "size", "7x7", "f3", "s3", "--pad"], "--pad"),
        (["check", "a", "b c"], "striate check has no use for 'b c'"),
        (["shapes", "vgg16", "--bye", "stage"], "--by"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(capsys, words, sentence):
    with pytest.raises(SystemExit) as stop:
        main(words)
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert sentence in printed.err
    assert not printed.out
    assert len(printed.err.strip().splitlines()) == 1


def test_a_real_process_exits_with_2_and_no_traceback():
    done = run("-m", "striate", "shapes", "vgg61")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean vgg" in done.stderr
    assert "Traceback" not in done.stderr


def test_results_leave_as_json_and_csv(capsys):
    main(["shapes", "lenet5", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert sum(row["parameters"] for row in told["rows"]) == told["total"]["parameters"] == 62_958
    main(["shapes", "lenet5", "--csv"])
    assert capsys.readouterr().out.startswith("layer,kind,output,")


def test_a_full_disk_is_told():
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "striate", "shapes", "lenet5"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "striate: the output cannot be written: No space left on device\n")


def test_a_reader_that_stops_early_is_no_mistake():
    words = [sys.executable, "-m", "striate", "shapes", "resnet152", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")
