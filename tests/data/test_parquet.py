"""Parquet tables: pictures inside of them, and beside them."""

import io
import json
import tarfile
import zlib
from types import SimpleNamespace

import pytest
from grown import grow, picture

from striate.data.dataset import Dataset
from striate.data.sources.table_files import _pack
from striate.errors import DataError


def test_pictures_out_of_a_table_have_stamps_of_their_content():
    class Parquet:
        def iter_batches(self, **options):
            yield SimpleNamespace(column=lambda place: SimpleNamespace(to_pylist=lambda: [b"one", {"bytes": b"two"}]))

    output = io.BytesIO()
    _pack(Parquet(), "image", output)
    output.seek(0)
    with tarfile.open(fileobj=output) as archive:
        assert [member.mtime for member in archive] == [zlib.crc32(b"one"), zlib.crc32(b"two")]


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    root = grow(tmp_path, "1.png", "2.png", "3.png")
    parquet.write_table(arrow.table({"image": ["1.png", "2.png"], "label": [3, 1]}), root / "t.parquet")
    data = Dataset.open(root / "t.parquet")
    assert (data.names, data.classes, data.labels.tolist()) == (["1.png", "2.png"], ("1", "3"), [1, 0])

    images = [{"bytes": picture(str(number)), "path": None} for number in range(600)] + [{"bytes": None, "path": None}]
    table = arrow.table({"image": images, "label": [number % 2 for number in range(601)]})
    features = {"info": {"features": {"label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    parquet.write_table(table, root / "t.parquet", row_group_size=100)
    data = Dataset.open(root / "t.parquet", on_bad="skip")
    assert data.classes == ("dog", "cat")
    assert [data.source.read(row) for row in (0, 599)] == [picture("0"), picture("599")]
    assert (data.names[599], data.labels[599], len(data.skipped)) == ("row 600", 1, 1)
    (root / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as a Parquet table"):
        Dataset.open(root / "bad.parquet")
