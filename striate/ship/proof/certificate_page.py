"""The page of a certificate."""

from pathlib import Path

from striate.data.dataset import Dataset
from striate.data.thumbnails import thumbnail
from striate.ship.about import certificate_path
from striate.ship.proof.certificate import Certificate
from striate.ship.proof.limits import probability
from striate.show.names import listed
from striate.show.numbers import count, exact, memory
from striate.show.page import Section, figure, page, table_html, text
from striate.show.table import Column, Table
from striate.train.tell.album import SIDE

COLUMNS = [Column("", "name", align="left"), Column("", "value", align="left")]
NUMBERS = {"float32": "numbers of 32 bits", "int8": "whole numbers of 8 bits"}


def certificate_page(certificate: Certificate, data: Dataset) -> str:
    """A page that tells what a certificate holds.

    Parameters
    ----------
    certificate
        whose limits hold
    data
        the pictures that it is about
    """
    sections = [Section(title, table_html(table)) for title, table in certificate.tables.items()]
    sections.insert(2, Section("Where they differ most", _worst(certificate, data)))
    sections += [Section("What was shown", _shown(certificate)), Section("Versions and sums", _sums(certificate))]
    return page(f"Certificate of {certificate.file['name']}", sections, _lead(certificate))


def _lead(certificate: Certificate) -> str:
    file, told = certificate.file, certificate.alone
    stays = certificate_path(Path(file["name"])).name
    about = (
        f"{file['name']} is {file['network']} with {count(file['classes'], 'class')}, in {NUMBERS[file['numbers']]}, "
        f"{memory(file['bytes'])}. Its answers were put beside those of the trained network on {count(told.pictures)}: "
        f"both began with the pictures' files, each in its own process."
    )
    verdict = (
        f"In {exact(told.same)} of {count(told.pictures)} both name the same; no probability differs by more than "
        f"{probability(max(told.largest, certificate.together.largest))}."
    )
    return (
        f"<p><strong>✓ All limits hold.</strong> {text(verdict)}</p><p>{text(about)}</p>"
        f"<p><code>striate certify {text(file['name'])} DATA</code> checks the file again, later and elsewhere, from "
        f"what {text(stays)} holds.</p>"
    )


def _worst(certificate: Certificate, data: Dataset) -> str:
    """The pictures whose probabilities differ most, with both answers."""
    told = certificate.alone
    places = {name: place for place, name in enumerate(data.names)}
    shown = []
    for row in told.worst:
        lines = (f"network: {row['network']}", f"file: {row['file']}", f"apart: {probability(row['difference'])}")
        shown.append(figure(thumbnail(data, places[row["name"]], SIDE), row["name"], lines))
    ties = f" In {count(told.ties)} two classes were equal to within rounding, and each named another." * bool(
        told.ties
    )
    mean = f"On average a probability differs by {probability(told.mean)}.{ties}"
    return f'<p>{text(mean)}</p><div class="pictures">{"".join(shown)}</div>'


def _shown(certificate: Certificate) -> str:
    data = certificate.data
    lines = [f"{count(data['pictures'])} of {data['name']}, fingerprint {data['fingerprint']}", *certificate.notes]
    if data["left_out"]:
        lines.append(f"left out: {listed(data['left_out'], 20)}")
    return "".join(f"<p>{text(line)}</p>" for line in lines)


def _sums(certificate: Certificate) -> str:
    file, made = certificate.file, dict(certificate.made_with)
    machine, when = made.pop("machine"), made.pop("made")
    rows = {
        f"{file['name']}, SHA-256": file["sha256"],
        "the run's weights, SHA-256": file["run"],
        "data it learned from, fingerprint": file["learned_from"],
        "licence of the weights it began with": file["licence"] or "none is known, or it began with none",
        "ONNX opset": str(file["opset"]),
        "made": when.replace("T", " "),
        "by": ", ".join(f"{name} {number}" for name, number in made.items()),
        "on": machine,
    }
    return table_html(Table(COLUMNS, [{"name": name, "value": value} for name, value in rows.items()]))
