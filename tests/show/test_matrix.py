"""What was taken for what: every count of few classes, the worst pairs of many."""

import re

from striate.show.matrix import matrix


def test_it_has_every_count_and_many_classes_become_pairs():
    small = matrix([[8, 2], [0, 5]], ["cat", "dog"])
    assert re.findall(r">([\d·]+)</td>", small) == ["8", "2", "·", "5"]
    classes = [f"class {number}" for number in range(40)]
    counts = [[10 if one == other else 0 for other in range(40)] for one in range(40)]
    assert "No picture was taken for another class" in matrix(counts, classes)
    counts[3][7], counts[5][2] = 4, 30
    large = matrix(counts, classes)
    assert re.findall(r"class \d+", large) == ["class 5", "class 2", "class 3", "class 7"]
    assert "75 %" in large
    assert "29 %" in large  # 4 of 14


def test_names_are_text():
    evil = "<script>alert(1)</script>"
    assert "<script" not in matrix([[1]], [evil])
    assert "&lt;script&gt;" in matrix([[1]], [evil])
