"""The page to drop a photo on, in a browser."""

import base64
import json

import numpy as np
import pytest
from driven import CHROMIUM, browser
from made import encoded
from PIL import Image
from served_files import served
from tinting import tinted

from striate.show.page import COLOURS

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")]


@pytest.mark.parametrize(("width", "dark"), [(1100, False), (390, True)])
def test_a_photo_gets_its_answer_with_its_map(coloured_file, gray_file, tmp_path, width, dark):
    photo, text = tmp_path / "photo.png", tmp_path / "text.png"
    photo.write_bytes(encoded(np.full((200, 300, 3), 255, np.uint8)))
    text.write_text("no picture")
    words = [f"trees={coloured_file}", f"letters={gray_file}"]
    with served(words, tmp_path) as server, browser(tmp_path / "user") as page:
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Page.navigate", url=f"http://127.0.0.1:{server.port}/")
        page.until("document.readyState == 'complete' && !!document.getElementById('file')")
        paper = bytes.fromhex(COLOURS["paper"][dark][1:])
        assert (page.shot()[-1, 0] == tuple(paper)).all()
        page.choose("#file", photo)
        page.until("!document.getElementById('answer').hidden && document.getElementById('map').width == 300")
        wanted = server.ask("POST", "/predict?model=trees", photo.read_bytes()).told["predictions"][0]["answers"]
        rows = page.run("[...document.querySelectorAll('#classes tr')].map(row => row.innerText).join('\\n')")
        assert [word for word in rows.split("\n") if word.strip() in [one["class"] for one in wanted]]
        assert f"{100 * wanted[0]['probability']:.1f} %" in rows
        bars = page.run("[...document.querySelectorAll('.bar')].map(bar => bar.style.width).join()").split(",")
        assert [float(bar[:-1]) for bar in bars] == pytest.approx(
            [100 * one["probability"] for one in wanted], abs=0.01
        )
        # the photo is white; under the map it is not, and in some places less than in others
        page.run("scrollTo(0, 0)")
        box = page.run("JSON.stringify(document.getElementById('photo').getBoundingClientRect())")
        veiled = inside(page.shot(), box)
        assert veiled.min() < 200 < veiled.max() - 20
        gray = "getComputedStyle(document.getElementById('shown')).filter"
        assert page.run(gray) == "grayscale(1)"
        page.run("document.getElementById('lay').click()")
        assert page.run(gray) == "none"
        assert inside(page.shot(), box).min() > 250
        assert page.run("document.documentElement.scrollWidth") <= width
        page.choose("#file", text)
        page.until("document.getElementById('problem').textContent.startsWith('text.png is not a picture')")
        page.run("document.getElementById('model').value = 'letters'")
        page.choose("#file", photo)
        page.until("!document.getElementById('answer').hidden && document.getElementById('map').hidden")
        assert server.figure('striate_requests_total{route="/predict",status="422"}') == 0  # it knows who has a map
        Image.fromarray(np.zeros((90, 90, 4), np.uint8)).save(tmp_path / "clear.png")
        page.choose("#file", tmp_path / "clear.png")  # the network sees white, and so does who looks
        page.until("document.getElementById('notes').textContent == 'transparent parts laid on white'")
        page.until("document.getElementById('shown').naturalWidth == 90")
        box = page.run("JSON.stringify(document.getElementById('shown').getBoundingClientRect())")
        assert inside(page.shot(), box).min() == 255
        Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(tmp_path / "photo.tiff")
        page.choose("#file", tmp_path / "photo.tiff")
        page.until("document.getElementById('notes').textContent == 'this browser cannot show the picture'")
        assert page.run("document.getElementById('photo').hidden")
        own = f"http://127.0.0.1:{server.port}/"
        assert all(address.removeprefix("blob:").startswith(own) for address in page.fetched)
        # a browser notes each answer that is a refusal, and nothing else: no script or style was held back
        assert all("status of 4" in str(complaint) for complaint in page.complaints), page.complaints


def test_of_several_photos_the_first_is_shown_and_told(coloured_file, tmp_path):
    with served([coloured_file], tmp_path) as server, browser(tmp_path / "user") as page:
        page.call("Page.navigate", url=f"http://127.0.0.1:{server.port}/")
        page.until("document.readyState == 'complete' && !!document.getElementById('file')")
        photo = base64.b64encode(encoded(tinted(0, 0))).decode()
        page.run(DROP % f"for (const name of ['a.png', 'b.png']) given.items.add(new File([bytes('{photo}')], name));")
        page.until("document.getElementById('notes').textContent.startsWith('the first of 2 photos')")
        page.run(DROP % "given.setData('text/plain', 'http://example.org/photo.jpg');")
        page.until("document.getElementById('problem').textContent.startsWith('That is no file')")
        assert page.run("document.getElementById('answer').hidden")


DROP = """{
const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
const given = new DataTransfer();
%s
document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: given, cancelable: true }));
}"""


def inside(shot: np.ndarray, box: str) -> np.ndarray:
    """The middle of what is shown at a place."""
    place = json.loads(box)
    top, left, height, width = (int(place[name]) for name in ("top", "left", "height", "width"))
    return shot[top + 5 : min(top + height, 900) - 5, left + 5 : left + width - 5].astype(int).mean(2)


def test_the_description_is_shown_without_a_script(coloured_file, tmp_path):
    with served([coloured_file], tmp_path) as server, browser(tmp_path / "user") as page:
        page.call("Page.navigate", url=f"http://127.0.0.1:{server.port}/docs")
        page.until("document.readyState == 'complete' && document.querySelectorAll('section').length > 8")
        assert page.run("document.scripts.length") == 0
        assert page.complaints == []


def test_the_page_asks_for_the_token(coloured_file, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(encoded(tinted(0, 0)))
    words = [coloured_file, f"other={coloured_file}", "--token", "0123456789abcdef"]
    with served(words, tmp_path) as server, browser(tmp_path / "user") as page:
        page.call("Page.navigate", url=f"http://127.0.0.1:{server.port}/")
        page.until("document.readyState == 'complete' && !!document.getElementById('token')")
        page.choose("#file", photo)
        page.until("document.getElementById('problem').textContent.includes('wants its token')")
        page.run("document.getElementById('token').value = '0123456789abcdef'")
        page.run("document.getElementById('token').dispatchEvent(new Event('change'))")
        page.until("!document.getElementById('answer').hidden")  # of the same photo
        assert page.run("document.getElementById('model').value") == "exported"
        assert (
            page.run("[...document.getElementById('models').options].map(one => one.value).join()") == "exported,other"
        )
