"""Pages in a browser: pictures are shown, no script runs and nothing is fetched, even where a page held such things."""

import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from striate.show.charts import curves
from striate.show.drawing import inline
from striate.show.page import COLOURS, POLICY, Section, figure, page

CHROMIUM = shutil.which("chromium") or ""
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")]


class Asked(BaseHTTPRequestHandler):
    """Remembers what a server was asked for."""

    paths: list[str]

    def do_GET(self):
        self.paths.append(self.path)
        self.send_error(404)

    def log_message(self, format, *args): ...


@pytest.fixture
def asked() -> Iterator[tuple[int, list[str]]]:
    """The port of a server, and what it was asked for."""
    paths: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Asked,), {"paths": paths})) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port, paths
        server.shutdown()


def browse(content: str, folder: Path, *words: str) -> str:
    """What Chromium prints of a page."""
    (folder / "page.html").write_text(content, encoding="utf-8")
    settings = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'user'}",
    ]
    command = [CHROMIUM, *settings, *words, (folder / "page.html").as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_no_script_runs_and_nothing_is_fetched(tmp_path, asked):
    port, paths = asked
    wild = (
        "<script>document.title = 'a script ran'</script>"
        f"<img src='http://127.0.0.1:{port}/picture' onerror='document.body.id = 1'>"
        f"<link rel='stylesheet' href='http://127.0.0.1:{port}/style'>"
    )
    content = page("Quiet", [Section("Wild", wild), Section(wild, figure(None, wild, (wild,)))])
    told = browse(content, tmp_path, "--dump-dom")
    assert "<title>Quiet</title>" in told
    assert 'id="1"' not in told
    assert paths == []
    told = browse(content.replace(POLICY, ""), tmp_path, "--dump-dom")  # so that the test would see it
    assert "<title>a script ran</title>" in told
    assert 'id="1"' in told
    assert set(paths) == {"/picture", "/style"}


@pytest.mark.parametrize("width", [400, 1400])
def test_pictures_are_shown_where_they_belong(tmp_path, width):
    pink = figure(Image.new("RGB", (100, 60), (255, 0, 255)), "pink.jpg")
    framed = figure(Image.new("RGB", (100, 60), (0, 255, 0)), "framed.jpg", frame=(0.25, 0.75, 0, 1))
    content = page("Pictures", [Section("Two", f'<div class="pictures">{pink}{framed}</div>')])
    browse(content, tmp_path, f"--screenshot={tmp_path / 'shot.png'}", f"--window-size={width},800")
    with Image.open(tmp_path / "shot.png") as image:
        shot = np.asarray(image.convert("RGB")).astype(int)
    assert shot.shape == (800, width, 3)
    assert shown(shot, (255, 0, 255)) == pytest.approx(100 * 60, rel=0.05)
    # what the frame leaves is darkened, and its border is 2 wide
    assert shown(shot, (0, 255, 0)) == pytest.approx(96 * 26, rel=0.05)


@pytest.mark.parametrize(("width", "shaded"), [(2000, True), (200, False)])
def test_a_shade_says_that_there_is_more_to_the_right(tmp_path, width, shaded):
    wide = f'<div class="scroll"><div style="width: {width}px; height: 100px"></div></div>'
    browse(
        page("Wide", [Section("One", wide)]), tmp_path, f"--screenshot={tmp_path / 'shot.png'}", "--window-size=600,800"
    )
    with Image.open(tmp_path / "shot.png") as image:
        shot = np.asarray(image.convert("RGB")).astype(int)
    near = np.abs(shot - (0xB8, 0xC1, 0xCA)).max(axis=2) < 12  # (800, 600): whether in the shade's colour
    assert (near[:, 300:].any(1).sum() >= 95) == shaded


def shown(shot: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(shot - colour).max(axis=2) < 8).sum())


@pytest.mark.parametrize(("dark", "which"), [(False, 0), (True, 1)])
def test_a_chart_follows_the_page_into_the_dark_and_fits_a_phone(tmp_path, dark, which):
    drawn = inline(curves("Loss", {"training": [(0, 1), (1, 1), (2, 1)]}, "epoch", "loss"))
    narrow = f'<div style="width: 300px">{drawn}</div>'
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    words = [f"--screenshot={tmp_path / 'shot.png'}", "--window-size=600,800", *scheme]
    browse(page("Chart", [Section("One", narrow)]), tmp_path, *words)
    with Image.open(tmp_path / "shot.png") as image:
        shot = np.asarray(image.convert("RGB")).astype(int)
    paper, accent = (tuple(bytes.fromhex(COLOURS[name][which][1:])) for name in ("paper", "accent"))
    assert shown(shot, paper) > 0.8 * shot.shape[0] * shot.shape[1]
    blue = np.abs(shot - accent).max(axis=2) < 24  # (800, 600)
    assert blue.sum() > 200  # the line
    assert np.flatnonzero(blue.any(0))[-1] < 20 + 300 + 1
