"""Options that cannot be."""

import pytest

from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.schema import (
    InputError,
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_neighbors": -1}, r"K=-1"),
        ({"knn_lists": -2}, r"knn_lists=-2"),
        ({"w": 1.5}, r"w=1.5.*\[0, 1\]"),
        ({"w": float("nan")}, r"w=nan"),
        ({"template_ratio": 0.0}, r"template_ratio=0.0"),
        ({"template_metric": "degre"}, r"error_sort, degree, page_rank, random"),
        ({"modality_weights": {"audio": -1.0}}, r"modality_weights.audio=-1.0"),
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
    assert chosen.weights == {"text": 0.75, "image": 0.25, "audio": 0.5}
