"""Options that cannot be."""

import pytest

from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.schema import ITEM, USER, InputError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_neighbors": -1}, r"K=-1"),
        ({"knn_lists": -2}, r"knn_lists=-2"),
        ({"max_user_neighbors": -1}, r"max_user_neighbors=-1"),
        ({"w": 1.5}, r"w=1.5.*\[0, 1\]"),
        ({"w": float("nan")}, r"w=nan"),
        ({"template_ratio": 0.0}, r"template_ratio=0.0"),
        ({"template_metric": "degre"}, r"error_sort, degree, page_rank, random"),
        ({"modality_weights": {"audio": -1.0}}, r"modality_weights.audio=-1.0"),
        ({"modality_weights": {"audio": 1.5}}, r"audio=1.5: give a share in \[0, 1\]"),
        ({"modality_weights": {"audio": float("nan")}}, r"audio=nan"),
        ({"modality_weights": {"kg": 0.6, "audio": 0.5}}, r"kg: 0.6, audio.*at most 1"),
        ({"modality_weights": {"text": 1.0}}, r"give w instead"),
        ({"neighbors": "cooc"}, r"neighbors=cooc: give one of features, cooccurrence"),
        ({"overlap": "random"}, r"overlap=random: give one of links, random_pairs"),
        ({"overlap_ratio": -0.1}, r"overlap_ratio=-0.1: give a share in \[0, 1\]"),
        ({"overlap_ratio": 1.1}, r"overlap_ratio=1.1"),
        ({"overlap_ratio": float("nan")}, r"overlap_ratio=nan"),
        ({"union": True, "overlap_ratio": 0.5}, r"the union merges every shared"),
        ({"union": True, "overlap": "random_pairs"}, r"overlap=random_pairs and"),
    ],
)
def test_impossible_options_are_refused(options, changes, message):
    with pytest.raises(InputError, match=message):
        options(**changes)


def test_weights_of_all_modalities(options):
    chosen = options(w=0.75, modality_weights={"audio": 0.5})
    assert isinstance(chosen, GraphOptions)
    # half is left for text and images, which share it by w
    assert chosen.weights == {"text": 0.375, "image": 0.125, "audio": 0.5}


def test_w_alone_is_the_weight_of_text_in_two_modalities(options):
    assert options(w=0.7).weights == {"text": 0.7, "image": 1 - 0.7}


def test_weights_that_sum_to_1_leave_nothing_for_text_and_images(options):
    # 0.7 + 0.2 + 0.1 is a little less than 1 in floating point
    chosen = options(w=0.9, modality_weights={"a": 0.7, "b": 0.2, "c": 0.1})
    assert chosen.weights == {"text": 0, "image": 0, "a": 0.7, "b": 0.2, "c": 0.1}


@pytest.mark.parametrize(
    ("k", "most", "expected"),
    [(10, None, (10, 10)), (10, 3, (3, 10)), (2, 3, (2, 2)), (0, 3, (0, 0))],
)
def test_k_of_users_is_bounded_by_that_of_all(options, k, most, expected):
    chosen = options(num_neighbors=k, max_user_neighbors=most)
    assert (chosen.neighbors_of(USER), chosen.neighbors_of(ITEM)) == expected
