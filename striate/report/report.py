"""`striate report`: one page, in one file, that shows everything about a run."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

from PIL import Image

from striate.data.audit.audit import audit
from striate.data.audit.page import audit_section
from striate.data.dataset import Dataset, OnBad
from striate.data.thumbnails import thumbnail
from striate.evaluate.evaluate import Evaluation, evaluate
from striate.evaluate.pictures import Split, without_folders
from striate.files import check_output, write_text
from striate.look.subject import Subject, subject
from striate.measure.ledger import Ledger
from striate.measure.shapes import measure
from striate.report.cells import cells
from striate.report.cost import cost, made_with
from striate.report.drawing import drawing
from striate.report.examples import examples
from striate.report.inside import inside, looked_at
from striate.show.drawing import inline
from striate.show.numbers import count, exact
from striate.show.page import Section, page, table_html, text
from striate.train.run import Run, open_run
from striate.train.tell.album import SIDE, Album
from striate.train.tell.course import course
from striate.train.tell.findings import findings
from striate.train.tell.report import lead, settings
from striate.train.train import NO_KEYS

AUDITED = 10_000  # pictures up to which a page waits for their check


def report(
    run: Annotated[Path | Run, NO_KEYS],
    data: Annotated[str | Path | Dataset | None, NO_KEYS] = None,
    *,
    split: Split | None = None,
    output: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    on_bad: OnBad = "stop",
) -> Path:
    """Write one page that shows everything about a run: result, mistakes, pictures, what it looks at, data, costs.

    It is one file that needs no network, and takes the place of the page that the training wrote.

    Parameters
    ----------
    run
        a run's folder
    data
        other pictures with the same classes to judge it by; those of the run if absent
    split
        val or test, and no others; of the run's own pictures test if there are any
    output
        where to write it; report.html in the run's folder if absent
    device
        cpu, cuda, cuda:1, …
    workers
        threads that load pictures
    on_bad
        stop at a picture that cannot be read, or skip it
    """
    run = run if isinstance(run, Run) else open_run(run)
    output = run.folder / "report.html" if output is None else Path(output)
    check_output(output, (".html", ".htm"))
    judged = evaluate(run, data, split=split, device=device, workers=workers, on_bad=on_bad)
    who = subject(run)
    ledger = measure(run.net(), by="stage")
    sections = [
        *_answers(run, who, judged),
        Section("Inside", inside(who, judged.said, ledger.totals.macs) if not run.members else _many(run)),
        *([] if run.members else _course(run)),
        *_data(run, data),
        *_network(run, ledger, judged),
    ]
    head = "".join(f"<p>{text(line)}</p>" for line in str(run).splitlines()) if run.members else lead(run, run.history)
    (whole,) = without_folders(
        [page(f"Run {run.name}", sections, head)], judged.said.data.where, run.config["data"]["where"]
    )
    write_text(output, whole)
    return output


def _answers(run: Run, who: Subject, judged: Evaluation) -> list[Section]:
    """How good it is, and at what."""
    said = judged.said

    @cache
    def small(place: int) -> Image.Image | None:
        return thumbnail(said.data, place, SIDE)

    def looked(places: Sequence[int], about: Sequence[int]) -> list[Image.Image | None]:
        # an ensemble has no layer that all of it goes through
        return looked_at(who, said.data, places, about) if not run.members else [None] * len(places)

    doubtful = [row["name"] for row in judged.doubts.rows]
    notes = "".join(f"<p>{text(line)}</p>" for line in judged.sentences)
    faint = "".join(f'<p class="faint">{text(line)}</p>' for line in judged.notes)
    charts = "".join(inline(chart) for chart in judged.charts().values())
    found = [Section("Result", f"{table_html(judged.table)}{faint}")]
    if not said.data.several:
        found.append(Section("What was taken for what", cells(run.classes, said, small, f"#part{len(found) + 1}")))
    return [
        *found,
        Section("Classes", table_html(judged.classes)),
        Section("How sure it may be", f'{notes}<div class="charts">{charts}</div>'),
        Section("Pictures", examples(run.classes, said, doubtful, small, looked)),
    ]


def _many(run: Run) -> str:
    return f"<p>It is {count(len(run.members), 'network')} side by side; the page of each shows what is inside.</p>"


def _course(run: Run) -> list[Section]:
    """How it was trained, and what was found on the way."""
    drawn = course(run, run.history)
    curves = [Section("Curves", drawn)] if drawn else []
    return [*curves, *findings(run, Album(run)), Section("Settings", settings(run, run.history))]


def _data(run: Run, data: str | Path | Dataset | None) -> list[Section]:
    """What is wrong with the pictures that it learned from, or is judged by."""
    about = run.config["data"]
    if data is None and about["stream"]:
        return []
    classes = run.folder / "classes.json"
    whole = data if isinstance(data, Dataset) else Dataset.open(data or about["where"], on_bad="skip", classes=classes)
    if len(whole) > AUDITED:
        much = f"{count(len(whole))} take a while: striate check {whole.where} looks at each."
        return [Section("Data", f"<p>{text(much)}</p>")]
    return [Section("Data", audit_section(audit(whole)))]


def _network(run: Run, ledger: Ledger, judged: Evaluation) -> list[Section]:
    """What it is made of and what it costs."""
    whole = f"<details><summary>As a text</summary><p><code>{text(run.config['network']['text'])}</code></p></details>"
    return [
        Section("Network", f"{drawing(ledger)}{_rows(ledger)}{whole}"),
        Section("What it costs", cost(run, ledger, judged.said)),
        Section("Versions and sums", made_with(run)),
    ]


def _rows(ledger: Ledger) -> str:
    table = ledger.table
    table.title = f"{exact(ledger.totals.parameters)} parameters, {exact(ledger.totals.macs)} MACs a picture"
    return table_html(table)
