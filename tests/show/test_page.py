"""Pages: whole, readable by machines, and nothing that a file is called runs or breaks them."""

from html.parser import HTMLParser

import pytest
from PIL import Image

from striate.show.numbers import duration, percent
from striate.show.page import POLICY, Section, data_uri, figure, page, table_html, text
from striate.show.table import Column, Table

VOID = {"meta", "img", "br", "link", "wbr"}


class Tags(HTMLParser):
    """Checks that tags nest, and collects them and their text."""

    def __init__(self, content: str):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


EVIL = "<script>alert('1')</script>\" onerror=\"alert(2).jpg"


def test_a_page_is_whole_and_lists_its_parts():
    content = page("Two parts", [Section("One", "<p>first</p>"), Section("Two & more", "<p>second</p>")], "<p>lead</p>")
    tags = Tags(content)
    assert content.startswith("<!DOCTYPE html>")
    assert [attrs["href"] for attrs in tags.all("a")] == [f"#{attrs['id']}" for attrs in tags.all("section")]
    assert [tag for tag, _ in tags.tags if tag in ("h1", "h2")] == ["h1", "h2", "h2"]
    assert "Two & more" in tags.texts
    assert tags.all("html") == [{"lang": "en"}]
    assert any(attrs.get("content") == POLICY for attrs in tags.all("meta"))


@pytest.mark.parametrize("where", ["title", "head", "figure"])
def test_a_name_is_text_wherever_it_stands(where):
    body = figure(Image.new("RGB", (3, 2)), EVIL, (EVIL,)) if where == "figure" else ""
    content = page(EVIL if where == "title" else "t", [Section(EVIL if where == "head" else "s", body)])
    tags = Tags(content)
    assert not tags.all("script")
    assert all("onerror" not in attrs for _, attrs in tags.tags)
    assert EVIL in "".join(tags.texts)  # it is read as it is written


def test_any_name_can_be_written_as_utf_8():
    name = "line\nbreak \udcff \u202egpj.exe 😀"
    written = text(name)
    assert written.encode("utf-8")
    assert written == "line\\nbreak \\xff \\u202egpj.exe 😀"


def test_a_figure_holds_the_picture_its_name_and_a_frame():
    tags = Tags(figure(Image.new("L", (4, 3)), "cat.jpg", ("train", ""), (0.25, 0.75, 0, 1)))
    (image,) = tags.all("img")
    assert (image["alt"], image["width"], image["height"]) == ("cat.jpg", "4", "3")
    assert image["src"].startswith("data:image/jpeg;base64,/9j/")
    frame = next(attrs for attrs in tags.all("span") if attrs["class"] == "frame")
    assert frame["style"] == "top:25.0%;left:0.0%;width:100.0%;height:50.0%"
    assert tags.texts == ["cat.jpg", "train"]


def test_a_picture_that_cannot_be_shown_is_told():
    tags = Tags(figure(None, "broken.jpg"))
    assert not tags.all("img")
    assert "cannot be shown" in tags.texts


def test_nothing_is_fetched():
    content = page("t", [Section("s", figure(Image.new("RGB", (2, 2)), "x"))])
    assert "http" not in content.replace("http-equiv", "")
    assert "url(" not in content
    assert data_uri(Image.new("CMYK", (2, 2))).startswith("data:image/jpeg;base64,")


def test_a_table_keeps_what_its_columns_show():
    columns = [Column("name", "name", align="left"), Column("share", "share", percent)]
    table = Table(
        columns, [{"name": EVIL, "share": 0.25, "hidden": 7}, {"name": "b", "share": None}], "head", None, ["n"]
    )
    tags = Tags(table_html(table))
    assert tags.texts == ["head", "name", "share", EVIL, "25 %", "b", "n"]
    assert not tags.all("script")
    assert [attrs.get("class") for attrs in tags.all("td")] == ["number", "number"]
    table.total = {"name": "all", "share": 1}
    assert Tags(table_html(table)).texts[-3:] == ["all", "100 %", "n"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3599.9, "1 h 0 min"),
        (90000, "25 h 0 min"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words
