"""Where shards lie: on a disk, on a server, written with braces, in a list; and what is no place of any."""

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest
from serving import served
from shard_files import CLASSES, names, write

from striate.data.sources.shard_places import expanded
from striate.data.sources.shards import open_shards
from striate.errors import DataError


class Files(SimpleHTTPRequestHandler):
    """Serves a folder; no client can seek in it."""

    def log_message(self, format, *args):
        pass


@pytest.fixture
def address(tmp_path, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(tmp_path)))
    with served(server, monkeypatch):
        yield f"http://127.0.0.1:{server.server_port}"


def test_shards_of_a_server_are_those_of_a_disk(tmp_path, address):
    local = open_shards(write(tmp_path))
    remote = open_shards(f"{address}/train-{{000..003}}.tar?key=a/b")
    assert remote.classes == local.classes
    for settings in ({"shuffle": False}, {"shuffle": True, "buffer": 6, "rank": 1, "world": 2}):
        assert list(remote.samples(5, 6, **settings)) == list(local.samples(5, 6, **settings))


def test_a_stream_that_is_left_early_is_closed(tmp_path, address):
    write(tmp_path)
    samples = open_shards(f"{address}/train-{{000..003}}.tar").samples(0, 0, shuffle=False)
    assert len(list(islice(samples, 3))) == 3
    del samples  # a socket that stays open would be a warning, which is an error in tests


def test_a_shard_that_a_server_does_not_have(tmp_path, address):
    write(tmp_path, 2)
    shards = open_shards(f"{address}/train-{{000..002}}.tar")
    with pytest.raises(DataError, match=r"the shard train-002\.tar cannot be read to its end: HTTP Error 404"):
        list(shards.samples(0, 0, shuffle=False))
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"must be known before: .* http://.*/classes\.txt cannot be read: .*404"):
        open_shards(f"{address}/train-{{000..002}}.tar")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("{dir}/train-{000..004}.tar", "1 of 5 are not: .*train-004.tar"),
        ("{dir}/nothing.tar", "1 of 1 are not"),
        ("{dir}/empty", "a folder of shards has files that end in .tar"),
        ("{dir}/{3..1}.tar", r"braces hold numbers such as \{000..010\}.*they hold 3..1"),
        ("{dir}/{}.tar", "they hold nothing"),
        ("{dir}/{0..9999999}.tar", "at most 1,000,000"),
        ("{dir}/{0..9999}{0..9999}.tar", "stands for 100,000,000"),
        ("s3://bucket/train-{0..1}.tar", "begin with http:// or https://, but this is s3://bucket"),
        ("{dir}/{a,b}/train.tar", "train.tar comes twice"),
    ],
)
def test_places_that_are_wrong(tmp_path, where, sentence):
    write(tmp_path)
    for name in ("a", "b", "empty"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.tar").write_bytes(b"")
    (tmp_path / "empty" / "train.tar").unlink()
    with pytest.raises(DataError, match=sentence):
        open_shards(where.replace("{dir}", str(tmp_path)))


def test_a_list_of_shards(tmp_path):
    write(tmp_path, shards=3, samples=1)
    one, two, three = (tmp_path / f"train-00{shard}.tar" for shard in range(3))
    found = open_shards([three, str(one)])
    assert names(found.samples(0, 0, shuffle=False)) == ["train-002.tar/2-0", "train-000.tar/0-0"]
    assert list(found.classes) == CLASSES
    assert found.where == f"{three}, {one}"
    assert len(open_shards([three, tmp_path / "train-{000..001}.tar"]).places) == 3
    with pytest.raises(DataError, match=r"but train-001\.tar comes twice"):
        open_shards([two, two])
    other = tmp_path / "other"
    other.mkdir()
    three = three.rename(other / three.name)
    (other / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    assert list(open_shards([one, three]).classes) == CLASSES
    (other / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(DataError, match=r"same classes in one order, but classes\.txt .* differ; give classes"):
        open_shards([one, three])
    assert open_shards([one, three], classes=CLASSES).classes == tuple(CLASSES)


@pytest.mark.parametrize(("where", "told"), [(3, r"3 \(int\)"), (None, "None"), ([], "an empty list"), (["a", 3], "3")])
def test_what_is_no_place_of_shards_is_told(where, told):
    with pytest.raises(DataError, match=f"given as a path, an address, or a list of these, but {told}.* was given"):
        open_shards(where)


def test_braces():
    assert expanded("a.tar") == ["a.tar"]
    assert expanded("{8..11}") == ["8", "9", "10", "11"]
    assert json.dumps(expanded("{a,}b{00..01}")) == '["ab00", "ab01", "b00", "b01"]'
