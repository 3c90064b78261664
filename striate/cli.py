"""The command line: each command is a function of the library, with its parameters and its docstring.

A command is loaded when it is called, so that `striate --help` answers at once. What the function returns is printed:
a table in the terminal, or as `--json` or `--csv`. A user's mistake is one sentence on standard error and exit code 2.
"""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    Token,
    UnusedCliTokensError,
    convert,
)

import striate
from striate.errors import StriateError, Unwritten
from striate.show.helping import Helping
from striate.train.keep.stopping import once

COMMANDS = {
    "shapes": "striate.measure.shapes:shapes",
    "nets": "striate.measure.listing:nets",
    "text": "striate.nets.printing:text",
    "get": "striate.data.sources.get:get",
    "check": "striate.data.audit.check:check",
    "distort": "striate.data.distort.sheet:distort",
    "train": "striate.train.train:train",
    "runs": "striate.train.tell.runs:runs",
    "replay": "striate.train.replay:replay",
    "evaluate": "striate.evaluate.evaluate:evaluate",
    "compare": "striate.evaluate.comparing:compare",
    "ensemble": "striate.evaluate.ensemble:ensemble",
    "robustness": "striate.evaluate.robustness:robustness",
    "explain": "striate.look.explain:explain",
    "report": "striate.report.report:report",
    "predict": "striate.ship.predict:predict",
    "export": "striate.ship.export:export",
    "certify": "striate.ship.proof.certify:certify",
    "serve": "striate.ship.serve.serve:serve",
    "demo": "striate.demo:demo",
    "op": {
        "conv": "striate.ops.commands:conv",
        "edges": "striate.ops.commands:edges",
        "pool": "striate.ops.commands:pool",
        "pad": "striate.ops.commands:pad",
        "size": "striate.ops.commands:size",
    },
    "look": {
        "filters": "striate.look.filters:filters",
        "features": "striate.look.features:features",
        "exciting": "striate.look.exciting:exciting",
        "dream": "striate.look.dream:dream",
        "field": "striate.look.seeing:field",
        "symmetry": "striate.look.symmetry:symmetry",
        "gradients": "striate.look.gradients:gradients",
    },
}
GROUPS = {
    "op": "Try the operators of convolutional networks on a picture.",
    "look": "Look inside a network.",
}
RESULTLESS = ("serve",)
# the options of a command that has too many for one list, each below its title; their texts name their choices
OPTIONS = {
    "train": {
        "Pictures and network": "data net validation pictures size fit on-bad",
        "Weights to begin with": "weights adapt-input freeze thaw views members",
        "How long": "epochs minutes patience",
        "Steps": "batch-size accumulate lr optimizer schedule warm-up weight-decay clip ema balance",
        "Against learning by heart": "distortion mixup cutmix label-smoothing dropout",
        "Machine": "device precision compile deterministic seed workers cache",
        "The run": "output save-every resume like accept-data-change quiet json csv",
    }
}


def summary(target: str) -> str:
    """The first line of a function's docstring, found in its source without importing or parsing it."""
    module, _, name = target.partition(":")
    spec = find_spec(module)
    assert spec and spec.origin, target
    found = re.search(
        rf'^def {name}\(.*?"""(.*?)("""|$)', Path(spec.origin).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return found[1] if found else ""


def as_typed(kind: Any, words: Sequence[Token]) -> Any:
    """A parameter's words as its type; a fraction where a whole number belongs is refused, which cyclopts rounds."""
    kinds = get_args(kind) or (kind,)
    if int in kinds and float not in kinds and "." in words[0].value:
        raise CoercionError(token=words[0], target_type=kind)
    return convert(kind, words)


def build(commands: dict, name: str, help: str) -> App:
    """An application with a lazily loaded command per entry, and a sub-application per nested table."""
    # results travel back to `run`, which prints them; errors travel back to `main`, which turns them into exit code 2
    app = App(
        name,
        help=help,
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        default_parameter=Parameter(converter=as_typed),
    )
    for word, target in commands.items():
        if isinstance(target, dict):
            app.command(build(target, word, GROUPS[word]))
        else:
            hidden = ("--json", "--csv") if word in RESULTLESS else ()
            app.command(target, name=word, help=summary(target), help_formatter=Helping(OPTIONS.get(word, {}), hidden))
    return app


app = build(COMMANDS, "striate", str(striate.__doc__).partition("\n")[0])
app.version = striate.__version__


@app.meta.default
def run(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    json: Annotated[bool, Parameter(negative="", help="Print the result as JSON.", show_default=False)] = False,
    csv: Annotated[bool, Parameter(negative="", help="Print its rows as CSV.", show_default=False)] = False,
) -> None:
    """Run a command and print what it returns."""
    if json and csv:
        raise StriateError("a result is printed in one form: give --json or --csv, not both")
    if (json or csv) and words[:1] and words[0] in RESULTLESS:
        raise StriateError(f"striate {words[0]} prints no result, which --json or --csv would be the form of")
    unwritten = None
    try:
        result = app([STANDARD_INPUT if word == "-" else word for word in words])
    except Unwritten as mistake:  # what was found is worth printing all the same
        result, unwritten = mistake.result, mistake
    if result is None:
        return
    if (json or csv) and not hasattr(result, "to_json" if json else "to_csv"):
        raise StriateError(f"striate {words[0]} prints text, which has no form as {'JSON' if json else 'CSV'}")
    try:
        show(result.to_json() if json else result.to_csv().rstrip("\n") if csv else result)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as failure:
        raise StriateError(f"the output cannot be written: {failure.strerror or failure}") from failure
    if unwritten:
        raise unwritten


def show(result: object) -> None:
    """Print text and paths as they are, and anything else as fits the terminal."""
    if isinstance(sys.stdout, TextIOWrapper):  # a name of bytes that are not UTF-8 leaves as these bytes
        sys.stdout.reconfigure(errors="surrogateescape")
    if isinstance(result, str | Path):
        print(result)
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(result, highlight=False, markup=False)
    else:
        from striate.show.table import plain_text

        # a file or a pipe has no width, so nothing is left out, unless a width is asked for
        print(plain_text(result, int(os.environ.get("COLUMNS") or UNBOUNDED)))


UNBOUNDED = 1000
STANDARD_INPUT = "/dev/stdin"  # what a word - means, which cyclopts takes for an option


KINDS = {int: "a whole number", float: "a number", bool: "yes or no"}


def in_words(kind: Any) -> str:
    """What a parameter of a type may be.

    >>> in_words(float | Literal["auto"] | None)
    'a number or auto'
    """
    if get_origin(kind) is Literal:
        *others, last = map(str, get_args(kind))
        return f"{', '.join(others)} or {last}" if others else last
    parts = [in_words(part) for part in get_args(kind) if part is not NoneType]
    return " or ".join(parts) or KINDS.get(kind) or str(kind.__name__).lower()


def sentence(mistake: Exception) -> str:
    """What went wrong; said anew where cyclopts names types, or counts a class's fields as words."""
    command = " ".join(getattr(mistake, "command_chain", None) or ())
    argument = getattr(mistake, "argument", None)
    if isinstance(mistake, CoercionError) and mistake.token and mistake.target_type and mistake.msg is None:
        name = mistake.token.keyword or (argument.name.upper() if argument else "a word")
        return f"{name} is {in_words(mistake.target_type)}, but is '{mistake.token.value}'"
    if isinstance(mistake, MissingArgumentError) and argument and argument.field_info.kind.name == "KEYWORD_ONLY":
        needs = f"{argument.name} with a value behind it"
        return f"striate {command} needs {needs}; striate {command} --help says what it may be"
    if isinstance(mistake, MissingArgumentError) and argument:
        name = argument.field_info.name.upper()
        return f"striate {command} needs a word for {name}; striate {command} --help says what it may be"
    if isinstance(mistake, UnusedCliTokensError):
        unused = ", ".join(f"'{word}'" for word in mistake.unused_tokens or ())
        return f"striate {command} has no use for {unused}; a name with spaces in it needs quotes around it"
    return str(mistake)


@contextmanager
def terminable() -> Iterator[None]:
    """End by an exception when the system asks to end, so that nothing half written stays; a second time, at once.

    Some commands do more. One of several processes may wait for the others within a call that no handler interrupts.
    """
    alone = os.environ.get("WORLD_SIZE", "1") == "1" and threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    once(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def main(words: list[str] | None = None) -> None:
    """Run the command line; exit with 0, with 2 after a user's mistake, with 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        with terminable():
            app.meta(words)
    except (StriateError, CycloptsError) as mistake:
        print(f"striate: {sentence(mistake)}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `striate shapes vgg16 | head -3` has read enough
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
