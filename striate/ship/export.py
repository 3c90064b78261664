"""`striate export`: a run's network as one file that is proven to give the same answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from striate.data.dataset import Dataset, OnBad
from striate.errors import DataError, StriateError, Unwritten, one_of
from striate.evaluate.pictures import Split, pictures_for, without_folders
from striate.files import check_output, write_together, writer
from striate.ship.about import certificate_path
from striate.ship.assembly import assembled
from striate.ship.checked import sealed
from striate.ship.proof.certificate import Certificate
from striate.ship.proof.certificate_page import certificate_page
from striate.ship.proof.certifying import certified, drawn
from striate.ship.proof.limits import Limits
from striate.ship.proof.record import content_sum
from striate.show.names import printable
from striate.show.numbers import count, memory
from striate.show.progress import say
from striate.train.run import Run, open_run
from striate.train.train import NO_KEYS

To = Literal["onnx", "torchvision", "timm", "safetensors", "torch-export", "hub"]
DIFFERENCE, AGREEMENT, DROP = 5e-3, 100.0, 0.5


def export(
    run: Annotated[Path | Run, NO_KEYS],
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    to: To = "onnx",
    data: Annotated[str | Path | Dataset | None, NO_KEYS] = None,
    pictures: int | None = None,
    on_bad: OnBad = "stop",
    max_difference: float | None = None,
    min_agreement: float | None = None,
    int8: bool = False,
    max_drop: float | None = None,
    triton: Path | None = None,
) -> Certificate | str:
    """Write a run's network as one ONNX file, with a certificate that it gives the same answers, or write nothing.

    The file takes pictures of any size as bytes and gives probabilities. The certificate, pets.certificate.json, and a
    page to read, pets.certificate.html, are written beside pets.onnx. Both begin with the pictures' files: the exported
    file by ONNX Runtime alone, the network as training's validation asks it, each in its own process.

    Parameters
    ----------
    run
        a run's folder
    output
        such as pets.onnx
    to
        onnx, or its weights under the names of others: torchvision, timm, safetensors, torch-export, hub; these have no
        certificate
    data
        pictures for the certificate, all of them; if absent those that validated the training, or were kept for a test
    pictures
        how many of them, drawn by a fixed seed; all if absent
    on_bad
        stop at a picture of --data that has no class, or skip such, which is told
    max_difference
        the largest difference in probability; 0.005 if absent
    min_agreement
        the smallest share of pictures of which both name the same, in percent, 100 if absent. A picture of which the
        network holds two classes for equally likely, to a ten-thousandth of their probability, may be named either
    int8
        compute in whole numbers of 8 bits, which are faster, with training pictures to find their scale; then
        --max-drop takes the place of --max-difference and --min-agreement
    max_drop
        by how many points the share of right answers may be lower than the network's, as observed; 0.5 if absent
    triton
        a folder of models that Triton and KServe serve, into which the file goes, too
    """
    run = run if isinstance(run, Run) else open_run(run)
    output, triton = Path(output), triton and Path(triton)
    one_of("--to", to, To)
    own = {"--max-difference": max_difference is not None, "--min-agreement": min_agreement is not None}
    if to != "onnx":
        others = {"--data": data is not None, "--pictures": pictures is not None, "--int8": int8}
        others |= {"--on-bad": on_bad != "stop"}
        others |= {**own, "--max-drop": max_drop is not None, "--triton": triton is not None}
        _refuse([name for name, given in others.items() if given], f"--to {to}")
        from striate.ship.others.targets import write_target

        return "\n".join(write_target(run, to, output))
    _refuse([name for name, given in own.items() if given and int8], "--int8, which --max-drop judges")
    _refuse(["--max-drop"] if max_drop is not None and not int8 else [], "a file that is not --int8")
    _refuse(["--on-bad"] if on_bad != "stop" and data is None else [], "the pictures that the training held out")
    limits = _limits(max_difference, min_agreement, max_drop, int8)
    check_output(output, (".onnx",))
    if triton is not None:
        from striate.ship.others.triton import check_triton

        check_triton(triton, output)
    run.net()  # says what is wrong with the weights before anything takes long
    shown, notes = _pictures(run, data, pictures, on_bad)
    say("exporting the network")
    model = assembled(run)
    if int8:
        from striate.ship.int8.quantised import quantised

        say("looking for the scales of whole numbers on training pictures")
        judging = {content_sum(shown.source.read(int(row))) for row in shown.rows}
        model, told = quantised(model, run, apart=judging)
        notes += told
    content = sealed(model)
    notes = without_folders(notes, shown.where, run.config["data"]["where"])
    certificate = certified(content, output.name, run, shown, limits, notes)
    return _written(certificate, content, output, triton, shown, run.classes)


def _written(
    certificate: Certificate,
    content: bytes,
    output: Path,
    triton: Path | None,
    data: Dataset,
    classes: Sequence[str],
) -> Certificate:
    """Write all that there is, the file last: it never lies under its name without its certificate."""
    told = certificate_path(output)
    page = told.with_suffix(".html")
    write_together(
        {
            page: writer(certificate_page(certificate, data)),
            told: writer(certificate.to_json()),
            output: lambda file: file.write(content),
        }
    )
    certificate.notes.append(
        f"written: {printable(output)} ({memory(len(content))}), {printable(told)}, {printable(page)}"
    )
    if triton is not None:
        from striate.ship.others.triton import write_triton

        try:
            certificate.notes.extend(write_triton(content, classes, triton, output.stem))
        except StriateError as mistake:
            raise Unwritten(str(mistake), certificate) from mistake
    return certificate


def _pictures(
    run: Run, data: str | Path | Dataset | None, pictures: int | None, on_bad: OnBad
) -> tuple[Dataset, list[str]]:
    """What the certificate is about, and what there is to say of it."""
    split: Split | None = None
    if data is None and not run.members:
        counts = run.config["data"]["pictures"]
        split = "val" if counts["val"] else "test"
        if not counts[split]:
            raise DataError(
                f"a certificate needs pictures that the network did not learn from, but {printable(run.folder)} held "
                "none out; name some with --data"
            )
    found, notes = pictures_for(run, data, split, on_bad)
    some = drawn(found, pictures)
    if not len(some):
        raise DataError(f"a certificate needs pictures, but {printable(found.where)} has none")
    if len(some) < len(found):
        notes.append(f"{count(len(some))} of these {'was' if len(some) == 1 else 'were'} drawn, by a fixed seed")
    return some, notes


def _limits(difference: float | None, agreement: float | None, drop: float | None, int8: bool) -> Limits:
    def limit(name: str, given: float | None, usual: float, most: int) -> float:
        value = usual if given is None else given
        if not 0 <= value <= most:
            raise StriateError(f"{name} is a number from 0 to {most}, but is {value:g}")
        if name == "--min-agreement" and 0 < value <= 1:
            raise StriateError(f"{name} is a number of percent, but is {value:g}; {100 * value:g} may be meant")
        return value

    if int8:
        return Limits(drop=limit("--max-drop", drop, DROP, 100))
    return Limits(
        limit("--max-difference", difference, DIFFERENCE, 1), limit("--min-agreement", agreement, AGREEMENT, 100)
    )


def _refuse(options: list[str], where: str) -> None:
    if options:
        raise StriateError(f"{' and '.join(options)} {'mean' if options[1:] else 'means'} nothing with {where}")
