"""Who answers: a file, if it is its certificate's; for a run the file that is made of it once, from whole weights."""

import json
import re
import shutil

import pytest
from made import encoded, photo

import striate as st
from striate.cli import main
from striate.errors import StriateError, WeightsError
from striate.ship.shipped import open_shipped
from striate.train.keep.sealed import save_sealed
from striate.train.run import MODEL


def test_a_run_becomes_a_file_once(coloured, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    picture = coloured.folder.parent / "photos/ash/1.png"
    first, again = (st.predict(coloured.folder, picture) for _ in range(2))
    assert first.to_json() == again.to_json()
    assert capsys.readouterr().err.count("making one file") == 1
    (kept,) = (tmp_path / "shipped").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert st.predict(coloured.folder, picture).rows == first.rows
    assert capsys.readouterr().err.count("making one file") == 1
    # what is kept does not answer for weights that were damaged since
    shutil.copytree(coloured.folder, tmp_path / "run")
    weights = (tmp_path / "run" / MODEL).read_bytes()
    (tmp_path / "run" / MODEL).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(StriateError, match="their SHA-256 is not the one it states"):
        st.predict(tmp_path / "run", picture)


def test_a_file_that_is_not_its_certificate_s_does_not_answer(coloured_file, tmp_path):
    (tmp_path / "1.png").write_bytes(encoded(photo(1)))
    shutil.copy(coloured_file, tmp_path / "pets.onnx")
    certificate = tmp_path / "pets.certificate.json"
    for told in ("{", json.dumps({"file": {"sha256": open_shipped(coloured_file).sum}})):
        certificate.write_text(told)  # answers need no certificate, whole or not
        assert len(st.predict(tmp_path / "pets.onnx", tmp_path / "1.png")) == 1
    certificate.write_text(json.dumps({"file": {"sha256": "0" * 64}}))
    with pytest.raises(StriateError, match="its SHA-256 is another; `striate export`"):
        st.predict(tmp_path / "pets.onnx", tmp_path / "1.png")


def test_where_nothing_can_be_kept_a_run_answers_all_the_same(gray, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "1.png").write_bytes(encoded(photo(1)))
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert len(st.predict(gray, tmp_path / "1.png")) == 1
        assert re.search(
            r"making one file .*\nit cannot be kept, so it will be made again the next time: the cache folder \S+file "
            "cannot be made: File exists; set STRIATE_CACHE",
            capsys.readouterr().err,
        )


def test_answers_that_are_no_numbers_are_none(coloured, tmp_path, capsys):
    shutil.copytree(coloured.folder, tmp_path / "run")
    state = coloured.net().state_dict()
    next(iter(state.values()))[0] = float("nan")
    save_sealed(tmp_path / "run" / MODEL, state, {})
    (tmp_path / "1.png").write_bytes(encoded(photo(1)))
    for words in (["predict", "run", "1.png"], ["predict", "run", "1.png", "--engine", "torch"], ["serve", "run"]):
        with pytest.raises(SystemExit) as stop:
            main([str(tmp_path / word) if (tmp_path / word).exists() else word for word in words])
        assert stop.value.code == 2
        assert "are nan: its training diverged, or its weights are damaged" in capsys.readouterr().err


def test_a_run_without_weights_yet_says_what_goes_on_with_it(coloured, tmp_path):
    shutil.copytree(coloured.folder, tmp_path / "run")
    (tmp_path / "run" / MODEL).unlink()
    (tmp_path / "1.png").write_bytes(encoded(photo(1)))
    for engine in ("onnx", "torch"):
        with pytest.raises(WeightsError, match=r"has no weights yet: .*`striate train --resume"):
            st.predict(tmp_path / "run", tmp_path, engine=engine)
