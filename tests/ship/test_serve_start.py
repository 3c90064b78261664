"""What stops a server before it starts: one sentence, and exit code 2."""

import json
import socket

import onnx
import pytest
from shipped_files import unsealed

from striate.cli import main
from striate.ship.checked import sealed
from striate.ship.serve.limits import Limits
from striate.ship.serve.places import Places
from striate.ship.serve.refusal import Refusal
from striate.ship.serve.served import open_models


def refused(capsys, *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["serve", *map(str, words)])
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert len(printed.err.strip().splitlines()) == 1
    return printed.err


def test_a_port_in_use_is_told(coloured_file, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(capsys, coloured_file, "--port", port)
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "needs a model"),
        (["FILE", "FILE"], "each model has a name of its own"),
        (["a=FILE", "a=FILE"], "each model has a name of its own"),
        (["a%2Fb=FILE"], "a model's name stands in addresses"),
        (["a b/c=FILE"], "a model's name stands in addresses"),
        (["FILE", "--token", ""], "leave --token and STRIATE_TOKEN out"),
        (["FILE", "--host", "0.0.0.0"], "wants a token"),
        (["FILE", "--name", "http://x.org"], "one as in pets.example.org, but is 'http://x.org'"),
        (["FILE", "--name", ""], "one as in pets.example.org, but is ''"),
        (["FILE", "--json"], "striate serve prints no result"),
        (["FILE", "--token", "short"], "16 or more ASCII signs"),
        (["FILE", "--batch", "0"], "at least 1 picture"),
        (["FILE", "--wait", "-1"], "0 to 1,000 milliseconds"),
        (["FILE", "--threads", "0"], "answers with 1 to "),
        (["FILE", "--threads", "1000"], "answers with 1 to "),
        (["FILE", "--unknown-below", "80"], "between 0 and 1, but --unknown-below is 80"),
        (["FILE", "--port", "70000"], "a port is 0 to 65,535"),
        (["FILE", "--host", "a..b", "--token", "0123456789abcdef"], "a name that has one, but not on 'a..b'"),
        (["FILE", "--host", "no.such.name.invalid", "--token", "0123456789abcdef"], "cannot listen"),
        (["FILE", "--bytes", "0"], "a limit is above 0"),
        (["FILE", "--pixels", "65000000"], "may have up to 64,000,000 pixels"),
        (["FILE", "--queue", "4"], "must fit into the queue"),
        (["FILE", "--wait", "5"], "--wait 5 waits for others to be answered together, but a batch is of 1; --batch 8"),
        (["FILE", "--memory", "1000"], "one body must fit"),
        (["nowhere.onnx"], "nowhere.onnx"),
    ],
)
def test_mistakes_are_told(coloured_file, capsys, words, sentence):
    words = [word.replace("FILE", str(coloured_file)) for word in words]
    assert sentence in refused(capsys, *words, *([] if "--port" in words else ["--port", 0]))


def test_files_that_cannot_be_trusted_are_refused(coloured_file, capsys, tmp_path):
    content = coloured_file.read_bytes()
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert "is empty: it has 0 bytes" in refused(capsys, tmp_path / "empty.onnx", "--port", 0)
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    assert "cut short" in refused(capsys, tmp_path / "cut.onnx", "--port", 0)
    model = unsealed(content)
    model.graph.node[-1].domain = "com.example"
    (tmp_path / "custom.onnx").write_bytes(sealed(model))
    assert "nothing but ONNX's own operators" in refused(capsys, tmp_path / "custom.onnx", "--port", 0)
    model = unsealed(content)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    (tmp_path / "elsewhere.onnx").write_bytes(sealed(model))
    assert "in another file" in refused(capsys, tmp_path / "elsewhere.onnx", "--port", 0)
    model = unsealed(content)
    model.graph.sparse_initializer.add().values.external_data.add(key="location", value="secret.bin")
    (tmp_path / "sparse.onnx").write_bytes(sealed(model))
    assert "has sparse ones" in refused(capsys, tmp_path / "sparse.onnx", "--port", 0)
    model = unsealed(content)
    (entry,) = model.metadata_props
    about = json.loads(entry.value)
    entry.value = json.dumps({**about, "classes": about["classes"][:-1]})
    (tmp_path / "fewer.onnx").write_bytes(sealed(model))
    assert "for each of the 2 classes that it names, but gives [3]" in refused(capsys, tmp_path / "fewer.onnx")


def test_it_offers_no_form_of_a_result_that_it_has_not(capsys):
    main(["serve", "--help"])
    shown = capsys.readouterr().out
    assert "--queue" in shown
    assert "--json" not in shown


def test_a_link_is_called_as_it_is(coloured_file, tmp_path):
    (tmp_path / "pets.ONNX").symlink_to(coloured_file)
    assert list(open_models((str(tmp_path / "pets.ONNX"),), 1)) == ["pets"]


def test_what_would_fit_is_told(coloured_file, capsys, monkeypatch):
    monkeypatch.setattr("striate.ship.serve.serve.resource.getrlimit", lambda _: (1024, 1024))
    assert "--connections 724 would fit" in refused(capsys, coloured_file, "--port", 0)
    assert "--port 0" not in refused(capsys, coloured_file, "--host", "8.8.8.8", "--token", "0123456789abcdef")


def test_places_are_given_back_whatever_happens():
    places = Places(Limits(queue=3, pictures=2, memory=100, bytes=60))
    with places.enter() as first, places.enter() as second:
        first.take(pictures=2, size=50)
        second.take(pictures=1)
        with pytest.raises(Refusal, match="3 of 3 places") as refusal:
            places.enter()
        assert (refusal.value.status, refusal.value.after) == (503, 1)
        with pytest.raises(Refusal, match="50 of 100 bytes"):
            second.take(size=51)
        first.drop_body()
        second.take(size=51)
    assert (places.pictures, places.bytes) == (0, 0)
    with pytest.raises(ZeroDivisionError), places.enter() as place:
        place.take(pictures=1, size=10)
        raise ZeroDivisionError
    assert (places.pictures, places.bytes) == (0, 0)
