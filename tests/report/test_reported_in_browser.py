"""The report in Chromium: nothing is fetched, nothing complains, it fits a phone, and its cells open."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from reported import CLASSES, made_run

from striate.report.report import report
from striate.show.page import POLICY

CHROMIUM = shutil.which("chromium") or ""
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")]
ASK = "<script>addEventListener('load', () => { document.title = String(%s) })</script></body>"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return report(made_run(folder), output=folder / "page.html").read_text(encoding="utf-8")


def browse(content: str, folder: Path, width: int = 1280, place: str = "") -> tuple[str, str]:
    """What a page is after it was opened, and what Chromium had to say."""
    (folder / "page.html").write_text(content, encoding="utf-8")
    settings = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}"]
    settings += ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", f"--window-size={width},900"]
    address = (folder / "page.html").as_uri() + place
    ran = subprocess.run(
        [CHROMIUM, *settings, "--dump-dom", address], capture_output=True, text=True, timeout=60, check=True
    )
    return ran.stdout, ran.stderr


def asked(content: str, folder: Path, what: str, width: int = 1280, place: str = "") -> str:
    """What a script finds in the page."""
    open_to_scripts = content.replace(POLICY, "").replace("</body>", ASK % what)
    found = re.search("<title>(.*)</title>", browse(open_to_scripts, folder, width, place)[0])
    assert found
    return found[1]


def test_the_console_is_silent_and_nothing_is_fetched(content, tmp_path):
    shown, told = browse(content, tmp_path)
    assert "CONSOLE" not in told, told
    assert "<h2" in shown
    _, told = browse(content.replace("</main>", "<img src='https://striate.test/a.png'></main>"), tmp_path)
    assert "CONSOLE" in told  # so that the test would see it
    assert set(re.findall(r'(?:src|href)="(\w+:)', content)) <= {"data:"}


@pytest.mark.parametrize("width", [500, 1280])
def test_the_page_is_no_wider_than_the_window(content, tmp_path, width):
    assert asked(content, tmp_path, "document.documentElement.scrollWidth - innerWidth <= 0", width) == "true"


def test_a_cell_of_the_matrix_opens_its_pictures(content, tmp_path):
    cell = re.search('href="#(cell[0-9]+-[0-9]+)"', content)
    assert cell
    shown = f"getComputedStyle(document.getElementById('{cell[1]}')).display"
    assert asked(content, tmp_path, shown) == "none"
    assert asked(content, tmp_path, shown, place=f"#{cell[1]}") == "block"


def test_a_class_called_script_is_only_text(content, tmp_path):
    assert CLASSES[0] == "<script>alert(1)<script>"
    assert asked(content, tmp_path, "document.querySelectorAll('script').length") == "1"  # the one that asks


def test_every_picture_and_chart_has_words(content, tmp_path):
    silent = "document.querySelectorAll('img:not([alt]), svg:not([aria-label])').length"
    assert asked(content, tmp_path, silent) == "0"
    assert int(asked(content, tmp_path, "document.querySelectorAll('img, svg').length")) > 20
