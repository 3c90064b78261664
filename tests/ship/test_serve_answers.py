"""What a server answers to those who ask properly: the file's own answers, in each form that is promised."""

import gzip
import html
import json
import zlib
from contextlib import ExitStack

import numpy as np
import pytest
from answered import expected
from answered import files as files  # fixtures
from answered import server as server
from made import encoded, photo
from served_files import multipart, post, served
from shipped_files import unsealed
from tinting import tinted

from striate.ship.checked import sealed
from striate.ship.shipped import open_shipped
from striate.train.run import Run

TOKEN = "a-token-of-a-test-0123"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def likely(answer, place: int = 0) -> dict[str, float]:
    return {one["class"]: one["probability"] for one in answer.told["predictions"][place]["answers"]}


def close(found: dict[str, float], run: Run, path, file: bytes) -> bool:
    wanted = expected(run, path, file)
    return found == pytest.approx(dict(zip(run.classes, wanted.tolist(), strict=True)), abs=1e-5)


def test_a_picture_gets_the_answer_of_its_file(server, coloured, coloured_file, files):
    for file in files:
        answer = server.ask("POST", "/predict?model=trees", file)
        assert answer.status == 200
        assert close(likely(answer), coloured, coloured_file, file)


def test_colour_and_depth_and_transparency_are_read_as_in_training(server, gray, gray_file):
    random = np.random.default_rng(0)
    deep = encoded(random.integers(0, 65536, (20, 30)).astype(np.uint16))
    clear = encoded(random.integers(0, 256, (20, 30, 4)).astype(np.uint8))
    for file in (deep, clear, encoded(photo(3)), encoded(photo(4), "JPEG")):
        answer = server.ask("POST", "/predict?model=letters", file)
        assert close(likely(answer), gray, gray_file, file)
    assert server.ask("POST", "/predict?model=letters", clear).told["predictions"][0]["notes"] == [
        "transparent parts laid on white"
    ]


def test_several_pictures_keep_order_and_name(server, coloured, coloured_file, files):
    body, headers = multipart(files, ["a.png", "b/../../c.jpg", "ü.webp", "d"])
    answer = server.ask("POST", "/predict?model=trees&top=9", body, headers)
    told = answer.told["predictions"]
    assert [one["picture"] for one in told] == ["a.png", "b/../../c.jpg", "ü.webp", "d"]
    assert all(close(likely(answer, n), coloured, coloured_file, file) for n, file in enumerate(files))


def test_it_counts_what_it_says(server, files):
    said = likely(server.ask("POST", "/predict?model=trees", files[0]))
    name = max(said, key=lambda name: said[name])
    counter = f'striate_pictures_answered_total{{class="{name}",model="trees"}}'
    before, sure = server.figure(counter), server.figure('striate_answer_probability_sum{model="trees"}')
    server.ask("POST", "/predict?model=trees", files[0])
    assert server.figure(counter) == before + 1
    assert server.figure('striate_answer_probability_sum{model="trees"}') == pytest.approx(sure + said[name])


def test_a_server_may_say_unknown(coloured_file, tmp_path, files):
    with served([coloured_file, "--unknown-below", 1], tmp_path) as server:
        (one,) = server.ask("POST", "/predict", files[0]).told["predictions"]
        assert (one["unknown"], len(one["answers"])) == (True, 3)


def test_top_says_how_many_and_sorts(server, files):
    top = server.ask("POST", "/predict?model=trees&top=2", files[0]).told["predictions"][0]["answers"]
    assert len(top) == 2
    assert top[0]["probability"] >= top[1]["probability"]


def test_a_map_is_that_of_the_file(server, coloured, coloured_file):
    file = encoded(tinted(1, 1, 60, 40))
    told = server.ask("POST", "/predict?model=trees&map=true", file).told["predictions"][0]
    fitted = coloured.preprocess.read(file).pixels.transpose(2, 0, 1)
    maps = open_shipped(coloured_file).answers(fitted[None]).maps
    assert maps is not None
    assert np.allclose(told["map"], maps[0], atol=1e-4)
    assert told["seen"] == pytest.approx(coloured.preprocess.seen((60, 40)))
    refused = server.ask("POST", "/predict?model=letters&map=true", file)
    assert (refused.status, "has no map" in refused.told["error"]) == (422, True)


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress])
def test_compressed_bodies_are_inflated(server, files, squeeze):
    coding = "gzip" if squeeze is gzip.compress else "deflate"
    plain = server.ask("POST", "/predict?model=trees", files[0])
    small = server.ask("POST", "/predict?model=trees", squeeze(files[0]), {"content-encoding": coding})
    assert (small.status, small.told) == (200, plain.told)


def test_health_models_and_figures(server):
    assert server.ask("GET", "/healthz").told == {"status": "alive"}
    assert server.ask("GET", "/readyz").told == {"status": "ready"}
    assert [model["name"] for model in server.ask("GET", "/models").told] == ["trees", "letters"]
    before = server.figure('striate_requests_total{route="/predict",status="415"}')
    server.ask("POST", "/predict?model=trees", b"no picture")
    assert server.figure('striate_requests_total{route="/predict",status="415"}') == before + 1
    assert server.figure("process_resident_memory_bytes") > 1e6


def test_every_answer_has_an_id_and_a_line_and_safe_headers(server, files):
    answer = server.ask("POST", "/predict?model=trees", files[0], {"x-request-id": "mine.1"})
    assert answer.headers["x-request-id"] == "mine.1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control")]
    forged = server.ask("GET", "/healthz", None, {"x-request-id": 'x" {"event": "forged"}'})
    assert len(forged.headers["x-request-id"]) == 16
    server.until(lambda: forged.headers["x-request-id"] in server.log.read_text())
    line = next(line for line in server.lines if line.get("request_id") == "mine.1")
    assert (line["path"], line["status"], line["model"], line["pictures"]) == ("/predict", 200, "trees", 1)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason"),
    [
        ("/predict?model=trees", b"", {}, 400, "it is empty"),
        ("/predict?model=trees", b"GIF89a", {}, 415, "the body is not a picture in a format that can be read"),
        ("/predict?model=trees", b"{}", {"content-type": "application/json"}, 415, "but is 'application/json'"),
        ("/predict?model=trees", b"x", {"content-encoding": "br"}, 415, "gzip or deflate"),
        ("/predict?model=trees", b"xyz", {"content-encoding": "gzip"}, 400, "said to be compressed"),
        ("/predict?model=trees&top=0", b"x", {}, 422, "?top= is a whole number from 1 to 100,000, but not '0'"),
        ("/predict?model=trees&top=a&map=b", b"x", {}, 422, "but not 'a'; ?map= is true or false, but not 'b'"),
        ("/predict?model=trees&top=1&top=3", b"x", {}, 422, "given once, but ?top= is given 2 times"),
        ("/predict?model=trees&tpo=3", b"x", {}, 422, "parameters of /predict are model, top, map, but not tpo"),
        ("/predict?model=trees", b"x", {"content-type": "multipart/form-data"}, 400, "boundary"),
        ("/predict", b"x", {}, 422, "which model"),
        ("/predict?model=../../etc/passwd", b"x", {}, 404, "no model is called"),
        ("/predict?model=trees", b"photo.jpg", FORM, 400, "as curl's -d sends it"),
        ("/predict?model=trees", encoded(photo(1), "JPEG").translate(None, b"\r\n\0"), FORM, 400, "--data-binary @"),
        ("/predict?model=trees", b"no\npicture", FORM, 415, "the body is not a picture"),
        (
            "/predict?model=trees",
            *multipart([b"photo.jpg"], [None]),
            400,
            "'picture' holds the words 'photo.jpg'",
        ),
        (
            "/predict?model=trees",
            *multipart([b"3"], [None], "top"),
            400,
            "stand in the address, as ?top=…, but",
        ),
        ("/predict?model=trees", *multipart([b"a\0b"], [None]), 415, "picture is not a picture"),
        ("/nothing", b"x", {}, 404, "nothing at this address"),
        ("/v2/models/..%2F..%2Fetc/infer", b"{}", {}, 404, "nothing at this address"),
        ("/page.css/../../../../etc/passwd", b"x", {}, 404, "nothing at this address"),
        ("/healthz", b"x", {}, 405, "this address answers GET, HEAD, but not POST"),
        ("/predict?model=trees", b"x", {"host": "evil.example"}, 403, "not called 'evil.example'"),
        ("/predict?model=trees", b"x", {"host": "127.0.0.1.evil.example"}, 403, "not called"),
        ("/predict?model=trees", b"x", {"host": "localhost@evil.example"}, 403, "not called"),
        ("/predict?model=trees", b"x", {"origin": "http://evil.example"}, 403, "requests from pages of"),
        ("/predict?model=trees", b"x", {"origin": "null"}, 403, "requests from pages of"),
        ("/v2/models/trees/infer", b"[", {}, 400, "must be JSON"),
        ("/v2/models/trees/infer", b"[" * 100_000, {}, 400, "must be JSON"),
        ("/v2/models/trees/versions/2/infer", b"{}", {}, 404, "has the version 1"),
    ],
)
def test_what_cannot_be_answered_is_told(server, path, body, headers, status, reason):
    answer = server.ask("POST", path, body, headers)
    assert answer.status == status
    assert reason in answer.told["error"]
    assert answer.told["request_id"] == answer.headers["x-request-id"]


def test_a_picture_of_words_is_one_all_the_same(server):
    tiny = b"P3 2 2 255 1 2 3 4 5 6 7 8 9 1 2 3"
    for body, headers in ((tiny, FORM), multipart([tiny], [None])):
        assert server.ask("POST", "/predict?model=trees", body, headers).status == 200


def test_another_method_is_told_which_one_works(server):
    answer = server.ask("GET", "/predict?model=trees")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.told["error"] == "this address answers POST, but not GET"


def test_broken_pictures_are_told_by_name(server):
    whole = encoded(photo(1, 200, 200))
    cut = server.ask("POST", "/predict?model=trees", whole[: len(whole) // 2])
    assert (cut.status, "the body cannot be read as a picture" in cut.told["error"]) == (422, True)
    body, headers = multipart([whole, b"text", whole[:200]], ["good.png", "bad.png", "cut.png"])
    answer = server.ask("POST", "/predict?model=trees", body, headers)
    assert answer.status == 422
    assert "bad.png is not a picture" in answer.told["error"]
    assert "cut.png cannot be read" in answer.told["error"]
    assert "good.png" not in answer.told["error"]


def test_a_page_of_this_server_may_ask(server, files):
    own = {"origin": f"http://127.0.0.1:{server.port}"}
    assert server.ask("POST", "/predict?model=trees", files[0], own).status == 200


def test_the_description_and_its_page_need_no_network(server):
    described = server.ask("GET", "/openapi.json").told
    assert {"/predict", "/v2/models/{name}/infer", "/healthz"} <= described["paths"].keys()
    page = server.ask("GET", "/docs").content.decode()
    assert all(f"POST {path}" in page for path in ("/predict", "/v2/models/{name}/infer"))
    shown = html.unescape(page.partition('<pre class="scroll">')[2].partition("</pre>")[0]).splitlines()
    address = f"http://127.0.0.1:{server.port}/predict"
    assert shown[:2] == [
        f"curl --data-binary @photo.jpg '{address}?top=3&model=NAME'",
        f"curl -F picture=@a.jpg -F picture=@b.png '{address}?model=NAME'",
    ]
    for content in (page, server.ask("GET", "/").content.decode(), server.ask("GET", "/page.js").content.decode()):
        assert "://" not in content.replace(f"http://127.0.0.1:{server.port}/predict", "")


def test_names_of_bytes_that_are_no_text_are_told_all_the_same(coloured_file, files, tmp_path):
    model = unsealed(coloured_file.read_bytes())
    about = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps({**about, "classes": [f"caf\udcff {n}" for n in range(3)]})
    (tmp_path / "odd.onnx").write_bytes(sealed(model))
    with served([tmp_path / "odd.onnx"], tmp_path) as server:
        assert (
            server.ask("POST", "/predict", files[0]).told["predictions"][0]["answers"][0]["class"][:5] == "caf\udcff "
        )
        assert server.ask("GET", "/models").told[0]["classes"][0] == "caf\udcff 0"
        body = {
            "inputs": [{"name": "pictures", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [9] * 12}],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 3, "binary_data": True}}],
        }
        assert server.ask("POST", "/v2/models/odd/infer", json.dumps(body)).content.count(b":caf\xff ") == 3
        assert server.figure("striate_pictures_answered_total") == 2


def test_head_is_answered_as_get_without_its_body(server):
    for path, status in (("/healthz", 200), ("/", 200), ("/nothing", 404), ("/predict", 405)):
        answer = server.ask("HEAD", path)
        assert (answer.status, answer.content) == (status, b"")
    assert server.ask("HEAD", "/").headers["content-length"] == server.ask("GET", "/").headers["content-length"]


def test_a_token_is_asked_for(coloured_file, files, tmp_path):
    with served([coloured_file, "--name", "trees.example"], tmp_path, STRIATE_TOKEN=TOKEN) as server:
        for path in ("/predict", "/v2/models/exported/infer"):
            for shown in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
                answer = server.ask("POST", path, files[0], shown)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert server.ask("GET", "/metrics").status == server.ask("GET", "/models").status == 401
        assert server.ask("GET", "/healthz").status == 200
        for path in ("/", "/docs"):  # they do not tell what the models are called
            answer = server.ask("GET", path)
            assert answer.status == 200
            assert b"exported" not in answer.content
        right = {"authorization": f"Bearer {TOKEN}", "host": "trees.example"}
        assert server.ask("POST", "/predict", files[0], right).status == 200
        assert TOKEN not in server.said + server.log.read_text()


def test_batches_fill_up_for_as_long_as_they_may(coloured_file, files, tmp_path):
    with served([coloured_file, "--batch", "8", "--wait", "1000"], tmp_path) as server:
        with ExitStack() as open_ones:
            clients = [open_ones.enter_context(server.connect(post(file))) for file in files]
            assert all(b" 200 OK" in client.recv(20) for client in clients)
        assert server.figure("striate_batch_pictures_sum") == 4
        assert server.figure("striate_batch_pictures_count") <= 2


def test_a_run_can_be_served(coloured, coloured_file, files, tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))  # in which nothing is kept yet
    with served([f"trees={coloured.folder}"], tmp_path) as server:
        assert "making one file" in server.said
        assert close(likely(server.ask("POST", "/predict", files[0])), coloured, coloured_file, files[0])
