"""How far members are apart, beside SciPy's distance."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as some
from scipy.spatial.distance import jensenshannon

from striate.evaluate.disagreement import disagreements, divergence

MEMBERS, CLASSES = ("a", "b"), ("ash", "elm", "oak")


@given(some.integers(0, 10**6))
def test_two_are_as_far_apart_as_scipy_says(seed):
    told = np.random.default_rng(seed).dirichlet(np.ones(4), (5, 2))
    assert np.allclose(divergence(told), [jensenshannon(*each, base=2) ** 2 for each in told])


def test_it_is_0_where_all_say_the_same_and_largest_where_each_is_sure_of_another():
    unsure = np.full((1, 3, 4), 0.25)
    assert divergence(unsure) == 0
    assert np.isclose(divergence(np.eye(3)[None]), np.log2(3))


def test_rows_are_the_pictures_that_get_several_names():
    scores = np.log(
        [
            [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1]],  # both say ash
            [[0.5, 0.4, 0.1], [0.4, 0.5, 0.1]],
            [[0.98, 0.01, 0.01], [0.01, 0.01, 0.98]],
        ]
    )
    table = disagreements(MEMBERS, CLASSES, ["1.jpg", "2.jpg", "3.jpg"], scores, np.array([0, 1, 2]))
    assert [row["name"] for row in table.rows] == ["3.jpg", "2.jpg"]
    assert (table.rows[0]["label"], table.rows[0]["said by a"], table.rows[0]["said by b"]) == (
        "oak",
        "ash (98 %)",
        "oak (98 %)",
    )
    assert table.notes == ["members differ on 2 of 3 answers, most on 3.jpg, 2.jpg"]
    assert "apart by" in str(table)


def test_of_several_labels_each_class_is_a_question():
    scores = np.array([[[2.0, -2.0, 3.0], [2.0, 2.0, -1.0]]])
    table = disagreements(MEMBERS, CLASSES, ["1.jpg"], scores, np.array([[1, 1, 0]]))
    assert [row["label"] for row in table.rows] == ["elm", "no oak"]  # 0.12 and 0.88 are further apart than 0.95, 0.27
    assert table.rows[0]["said by a"] == "no elm (88 %)"
    assert table.rows[1]["said by b"] == "no oak (73 %)"


def test_where_all_agree_there_is_nothing_to_list():
    table = disagreements(MEMBERS, CLASSES, ["1.jpg"], np.ones((1, 2, 3)), np.array([0]))
    assert not table.rows
    assert table.notes == ["members differ on 0 of 1 answer"]
