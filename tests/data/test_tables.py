"""Tables of pictures: what each column means, and every mistake with its row."""

import csv
import io
import json
import sys
from pathlib import Path
from unicodedata import normalize

import pytest
from grown import grow, picture
from hypothesis import given
from hypothesis import strategies as st

from striate.data.dataset import Dataset
from striate.data.sources.tables import open_table
from striate.data.sources.trees import Entry
from striate.errors import DataError


@pytest.fixture(autouse=True)
def no_search_for_copies(monkeypatch):
    monkeypatch.setattr("striate.data.sources.opening.belonging", lambda data: range(len(data)))


@pytest.fixture
def root(tmp_path) -> Path:
    return grow(tmp_path / "root", "1.png", "2.png", "3.png", "deep/4.png")


def opened(root: Path, text: str | bytes, name: str = "table.csv", **options) -> Dataset:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return Dataset.open(root / name, **options)


def names_of(data: Dataset) -> list:
    if data.several:
        return [[data.classes[place] for place in row.nonzero()[0]] for row in data.labels]
    return [data.classes[place] for place in data.labels]


@pytest.mark.parametrize("head", ["image", "file_name", "path", "filename", "file", "Image", " FILE_NAME "])
@pytest.mark.parametrize("label", ["label", "class", "Label"])
def test_columns_may_be_called_as_others_call_them(root, head, label):
    data = opened(root, f"{head},{label}\n1.png,cat\ndeep/4.png,dog\n")
    assert (data.names, names_of(data)) == (["1.png", "deep/4.png"], ["cat", "dog"])
    assert data.source.read(1) == picture("deep/4.png")


@pytest.mark.parametrize(
    ("separator", "name", "told"),
    [(",", "t.csv", ""), (";", "t.csv", "semicolons"), ("\t", "t.csv", "tabs"), ("\t", "t.tsv", "tabs")],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_separators_line_ends_and_byte_order_marks(root, separator, name, told, end, start):
    rows = [["image", "labels"], ["1.png", '"cat, red;dog"'], [], ["./2.png", "dog|fox"], ["3.png", ""]]
    data = opened(root, start + end.join(separator.join(row) for row in rows) + end, name)
    assert names_of(data) == [["cat, red", "dog"], ["dog", "fox"], []]
    assert data.names == ["1.png", "2.png", "3.png"]
    assert any("columns" in note and told in note for note in data.notes if "separated" in note) == bool(told)
    assert "labels are separated by | or ;, so a comma belongs to a name: 'cat, red;dog'" in data.notes


def test_a_cell_may_hold_a_line_end_and_the_separator(root):
    grow(root, "a,\nb.png")
    data = opened(root, 'image,label\n"a,\nb.png",cat\n1.png,"dog, small"\n')
    assert data.names == ["a,\nb.png", "1.png"]
    assert data.classes == ("cat", "dog, small")


def test_json_lines(root):
    rows = [{"file_name": "1.png", "labels": ["cat", "fox"]}, {"file_name": "2.png", "labels": []}]
    data = opened(root, "\n".join(map(json.dumps, rows)) + "\n\n", "t.jsonl")
    assert names_of(data) == [["cat", "fox"], []]
    rows = [{"file_name": "1.png", "label": 10}, {"file_name": "2.png", "label": 9}]
    assert opened(root, "\n".join(map(json.dumps, rows)), "t.jsonl").classes == ("9", "10")


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r/\\"), min_size=1).filter(
    lambda word: word == word.strip() not in (".", "..") and not word.isascii()
)


class Everything:
    """A tree that has a picture under every name."""

    where, problems, notes = "everywhere", [], []

    def __init__(self, table: str):
        self.table = table

    def read(self, name: str) -> bytes:
        return self.table.encode("utf-8")

    def find(self, name: str) -> Entry:
        return Entry(1, 1)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, unique_by=lambda row: row[0]), st.sampled_from(",;\t"))
def test_whatever_a_table_holds_is_read_as_it_was_written(rows, separator):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(
        [("label", "image"), *((b, a) for a, b in rows)]
    )
    found = open_table(Everything(file.getvalue()), "t.csv")  # type: ignore[arg-type]
    assert found.names == [name for name, _ in rows]
    assert found.labels == [(normalize("NFC", label),) for _, label in rows]


@pytest.mark.parametrize("flags", [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_a_column_of_0_and_1_for_each_class(root, flags):
    yes, no = flags
    text = (
        f",image,split,group,fox,Cat\n0,1.png,train,a,{yes},{yes}\n1,2.png,val,b,{no},{yes}\n2,3.png,test,c,{no},{no}\n"
    )
    data = opened(root, text)
    assert data.classes == ("fox", "Cat")  # their order in the table
    assert names_of(data) == [["fox", "Cat"], ["Cat"], []]


def test_splits_and_groups(root):
    data = opened(root, "image,label,split,group\n1.png,a,Train,x\n2.png,a,valid,x\n3.png,b,TEST,\n")
    assert data.splits.tolist() == ["train", "val", "test"]
    assert data.groups.tolist() == ["x", "x", ""]
    assert any("groups that lie in several splits: x" in note for note in data.notes)
    assert "" not in opened(root, "image,label,split\n1.png,a,\n2.png,a,\n").splits.tolist()


def test_paths_are_relative_to_the_table_and_may_be_absolute(root):
    data = opened(root / "deep", f"image,label\n4.png,a\n../1.png,b\n{root / '2.png'},c\n")
    assert [data.source.read(row) for row in range(3)] == [picture(n) for n in ("deep/4.png", "1.png", "2.png")]
    assert opened(root, "image,label\ndeep\\4.png,a\n").names == ["deep/4.png"]  # as Windows writes it
    with pytest.raises(DataError, match=r"one label, but deep/4\.png has a in row 2 of table\.csv and b in row 3"):
        opened(root, "image,label\ndeep\\4.png,a\ndeep/4.png,b\n")


def test_a_table_inside_a_folder_names_nothing_outside(root):
    (root / "deep/metadata.csv").write_text("image,label\n4.png,a\n../1.png,b\n")
    assert len(Dataset.open(root / "deep/metadata.csv")) == 2
    with pytest.raises(DataError, match=r"names \.\./1\.png, which lies outside of .* open the table itself, .*/deep/"):
        Dataset.open(root / "deep")


def test_columns_that_are_not_used_are_told(root):
    data = opened(root, "image,label,width\n1.png,a,3\n2.png,b,4\n")
    assert "columns that are not used: width" in data.notes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("picture,label\n1.png,a\n", r"must have a column image or .*, but t\.csv has picture, label"),
        ("image\n1.png\n", r"must have a column label, or labels, or .*, but t\.csv has image"),
        ("image,kind\n1.png,cat\n", r"each other column must be a class .* but kind has 'cat' in row 2"),
        ("image,cat,fox\n1.png,1,0\n2.png,2,0\n", r"but cat has '2' in row 3"),
        ("image,label,label\n1.png,a,b\n", r"has two called label"),
        ("image,label\n1.png,a\n2.png\n", r"the 2 cells of the first, but row 3 of t\.csv has 1"),
        ("image,label\n1.png,a,b\n", r"the 2 cells of the first, but row 2 of t\.csv has 3"),
        ('image,label\n1.png,"a\n', r"row 2 of t\.csv cannot be read"),
        ("image,label\n1.png,1\n2.png,3\n3.png,cat\n", r"all numbers or all words, but row 2 .* 1 and row 4 has cat"),
        ("image,label\n1.png,0.5\n", r"a name or a whole number, but row 2 of t\.csv has 0\.5"),
        ("image,labels\n1.png,a|1\n", r"all numbers or all words, but row 2"),
        ('image,labels\n1.png,1\n2.png,"1,2"\n', r"row 3 has 1,2; .* separated by \| or ;, never by a comma"),
        ("image,label,split\n1.png,a,dev\n", r"train, val or test, but row 2 of t\.csv has 'dev'"),
        ("image,label,split\n1.png,a,train\n2.png,a,\n", r"but row 3 of t\.csv has ''"),
        ("image,label\n1.png,a\n2.png,b\n1.png,b\n", r"one label, but 1\.png has a in row 2 of t\.csv and b in row 4"),
        ("image,label,split\n1.png,a,train\n1.png,a,val\n", r"one split, but 1\.png has train in row 2"),
        ("image,labels\n1.png,\n./1.png,b\n", r"one label, but 1\.png has none in row 2 of t\.csv and b in row 3"),
        ("image,label\n1.png,a\n./1.png,a\n", r"row 3 of t\.csv repeats row 2: 1\.png"),
        (
            "image,label\n1.png,a\n9.png,a\n8.png,a\n",
            r"row 3 .* names 9\.png, which is no file there, and there is 1 more",
        ),
        (
            "1.png,a\n2.png,b\n",
            r"first row of a table must name the columns, .*, but that of t\.csv is a picture's: 1\.png, a$",
        ),
        ("image,label\n,a\n", r"row 2 of t\.csv names no picture"),
        ("image,label\n1.png,\n", r"row 2 of t\.csv has no label for 1\.png"),
        ("image,label\nempty.png,a\n", r"row 2 of t\.csv names empty\.png, which is empty: it has 0 bytes"),
        ("image,label\n", r"must have a row for each picture, but t\.csv has none"),
        ("", r"must have a row for each picture, but t\.csv has none"),
        ("image,label\n\0,a\n", "names .x00, which is no file there"),
        (b"image,label\n1.png,a\n2.png,caf\xe9\n", r"in UTF-8, but row 3 of t\.csv is not"),
        ("image,label\n1.png,a\n".encode("utf-16"), r"in UTF-8, but row 1 of t\.csv is not"),
    ],
)
def test_mistakes_are_told_with_their_row(root, text, sentence):
    (root / "empty.png").touch()
    with pytest.raises(DataError, match=sentence):
        opened(root, text, "t.csv")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"image": "1.png", "label": "a"}\n{"image": "2.png"', r"row 2 of t\.jsonl is not"),
        ('["1.png", "a"]', r"must be a JSON object, .* but row 1"),
        ('{"image": "1.png", "label": ["a"]}', r"'label' holds one label, but row 1 of t\.jsonl has several"),
        ('{"image": "1.png", "label": 1}\n{"image": "2.png", "label": "a"}', r"row 1 .* has 1 and row 2 has a"),
        ('{"image": "1.png", "label": 1.5}', r"row 1 of t\.jsonl has 1\.5"),
        ('{"image": "1.png", "label": "a"}\n{"label": "a"}', r"row 2 of t\.jsonl names no picture"),
        ("[" * 100_000, r"row 1 of t\.jsonl is not"),
    ],
)
def test_mistakes_in_json_lines_are_told_with_their_row(root, text, sentence):
    with pytest.raises(DataError, match=sentence):
        opened(root, text, "t.jsonl")


def test_bad_rows_can_be_skipped_and_are_counted(root):
    data = opened(root, "image,label\n1.png,a\n9.png,a\n2.png,b\n1.png,a\n", on_bad="skip")
    assert data.names == ["1.png", "2.png"]
    assert [problem.name for problem in data.skipped] == ["9.png", "1.png"]
    assert "skipped, because they cannot be used: 2" in str(data)
    with pytest.raises(DataError, match=r"no picture of .* can be used"):
        opened(root, "image,label\n9.png,a\n", on_bad="skip")


def test_a_file_of_classes_settles_what_is_a_name(root):
    (root / "classes.txt").write_text("ace\n2\n10\n")
    data = opened(root, "image,label\n1.png,10\n2.png,ace\n", classes=root / "classes.txt")
    assert data.classes == ("ace", "2", "10")


def test_parquet_without_pyarrow_says_what_to_install(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'striate\[parquet\]'"):
        opened(root, b"PAR1", "t.parquet")
