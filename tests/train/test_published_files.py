"""Published files of weights: fetched, taken up where they broke, checked, and told how to be had by hand."""

import fcntl
import hashlib
import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from serving import Handler, Server, Site, left, served

from striate.errors import WeightsError
from striate.nets import published as publishing
from striate.nets.build import assemble
from striate.nets.naming import to_state_dict
from striate.nets.published import Published
from striate.preprocess import Preprocess
from striate.train.choose.weights import begun

NETWORK = "mobilenet_v2"
CLASSES = ("a", "b")


def pickled(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def content() -> bytes:
    """A small network's file as torchvision would publish it."""
    state = to_state_dict(assemble(NETWORK, None, None, {}), "torchvision")
    return pickled({name: torch.full(tensor.shape, 0.25) for name, tensor in state.items()})


@pytest.fixture
def site(tmp_path, monkeypatch, content) -> Iterator[Site]:
    """A publisher's server, the record of its file, and a machine without it."""
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site(server, content)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    publish(monkeypatch, server.site)
    with served(server, monkeypatch):
        yield server.site


def publish(monkeypatch, site: Site) -> str:
    """Make the site's content what is published for the network; gives the file's name."""
    file = f"mobilenet_v2-{hashlib.sha256(site.content).hexdigest()[:8]}.pth"
    address = site.address.replace("set.tgz", file)
    record = Published(NETWORK, "torchvision", "mobilenet_v2 V1", address, file, None, Preprocess(), 70.0)
    monkeypatch.setattr(publishing, "records", lambda: (record,))
    return file


def folder(tmp_path: Path) -> Path:
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_published_weights_are_fetched_once(site, tmp_path, capsys):
    network, source, _ = begun(NETWORK, None, "auto", CLASSES, 0)
    assert left(folder(tmp_path)) == [source]
    assert network.preprocess == Preprocess()
    assert network.get_parameter("stem.0.weight").eq(0.25).all()
    assert "its SHA-256 sum is right" in capsys.readouterr().err
    for weights in ("auto", source, folder(tmp_path) / source):
        assert begun(NETWORK, None, weights, CLASSES, 0).network.preprocess == Preprocess()
    assert len(site.asked) == 1


def test_a_connection_that_breaks_is_taken_up_now_and_later(site, tmp_path):
    site.cuts = [200_000, 150_000, 0]
    with pytest.raises(WeightsError, match=r"350,000 bytes are kept, .*; by hand, save\n.*; --weights none trains"):
        begun(NETWORK, None, "auto", CLASSES, 0)
    (part, _) = left(folder(tmp_path))
    assert part.endswith(".pth.part")
    begun(NETWORK, None, "auto", CLASSES, 0)
    assert [asked for asked, _ in site.asked] == ["", "bytes=200000-", "bytes=350000-", "bytes=350000-"]
    assert left(folder(tmp_path)) == [part.removesuffix(".part")]


def test_another_content_is_removed(site, tmp_path, content):
    site.content = content[:-1] + bytes([content[-1] ^ 1])
    wrong, right = (hashlib.sha256(each).hexdigest() for each in (site.content, content))
    with pytest.raises(WeightsError, match=f"the SHA-256 sum {wrong}, but {right[:8]}… is right; it was removed"):
        begun(NETWORK, None, "auto", CLASSES, 0)
    assert not folder(tmp_path).exists()


def test_offline_says_which_file_to_put_where(site, tmp_path, content):
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(WeightsError) as refused:
        begun(NETWORK, None, "auto", CLASSES, 0)
    digits = hashlib.sha256(content).hexdigest()[:8]
    address = site.address.replace("set.tgz", f"mobilenet_v2-{digits}.pth")
    place = folder(tmp_path) / f"mobilenet_v2-{digits}.pth"
    assert str(refused.value) == (
        f"{address} cannot be reached: Connection refused; by hand, save\n"
        f"  {address} as {place} (SHA-256 {digits}…); --weights none trains from scratch"
    )
    assert not folder(tmp_path).exists()
    place.parent.mkdir(parents=True)
    place.write_bytes(content)  # by hand
    assert begun(NETWORK, None, "auto", CLASSES, 0).source == place.name


def test_a_refusal_and_a_server_that_does_not_say_how_long(site, tmp_path):
    site.sized = False
    with pytest.raises(WeightsError, match=r"says how long a file is before .* does not; by hand, save"):
        begun(NETWORK, None, "auto", CLASSES, 0)
    site.status = 403
    with pytest.raises(WeightsError, match="answers 403 Forbidden; by hand, save"):
        begun(NETWORK, None, "auto", CLASSES, 0)


def test_a_damaged_file_on_this_machine_stops(site, tmp_path):
    _, source, _ = begun(NETWORK, None, "auto", CLASSES, 0)
    place = folder(tmp_path) / source
    place.write_bytes(place.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=rf"begins with \w{{8}}, but that of {place} does not: it was cut off"):
        begun(NETWORK, None, "auto", CLASSES, 0)


class Command:
    """What a pickle may ask to run."""

    def __reduce__(self):
        return os.system, ("false",)


def test_a_pickle_with_a_program_is_fetched_and_not_run(site, monkeypatch):
    site.content = pickled({"features": Command()})
    publish(monkeypatch, site)
    with pytest.raises(WeightsError, match=r"a pickle that asks for .*system; nothing was run"):
        begun(NETWORK, None, "auto", CLASSES, 0)


def test_processes_that_want_the_same_file_wait_for_the_first(site, tmp_path, capsys):
    folder(tmp_path).mkdir(parents=True)
    place = os.open(folder(tmp_path), os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_EX)
    waiting = threading.Thread(target=begun, args=(NETWORK, None, "auto", CLASSES, 0))
    waiting.start()
    until, said = time.monotonic() + 20, ""
    while "waiting for another process that fetches" not in said and time.monotonic() < until:
        time.sleep(0.01)
        said += capsys.readouterr().err
    assert "waiting for another process that fetches" in said
    assert site.asked == []
    os.close(place)
    waiting.join()
    assert len(site.asked) == 1
