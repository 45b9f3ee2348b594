"""Coverage against a count by hand."""

import polars as pl
import torch

from micrec_pyg.features.coverage import Coverage, coverage
from micrec_pyg.schema import Domain, EdgeSplit, Feature, Interactions, Vocab


def test_users_count_who_know_an_item_with_the_modality() -> None:
    edges = torch.tensor([[0, 0, 1, 2, 3, 4], [0, 1, 1, 2, 0, 2]])
    text = torch.tensor([True, False, False, True])
    features = {
        "text": Feature(torch.ones(4, 2), text),
        "image": Feature(torch.ones(4, 2), torch.tensor([False, False, True, False])),
    }
    data = Interactions(
        user=edges[0],
        item=edges[1],
        users=Vocab(pl.Series(list("abcde"))),
        items=Vocab(pl.Series(list("wxyz"))),
    )
    split = EdgeSplit(
        train=edges[:, :3],
        support=edges[:, 3:5],
        val=edges[:, :0],
        test=edges[:, 5:],
        seen_user=torch.tensor([True, True, False, False, False]),
        seen_item=torch.ones(4) > 0,
    )
    domain = Domain(name="food", interactions=data, features=features, digest="")

    found = coverage({"food": domain}, {"food": split})

    # text: items 0, 3; user 0 in training, user 3 by support. The test edge of user 4
    # counts nowhere, nor does that of user 2 in training
    assert found == [
        Coverage("food", "text", 2, 4, 1, 2, 2, 5),
        Coverage("food", "image", 1, 4, 0, 2, 1, 5),
    ]
    assert found[0].cells == [
        "food",
        "text",
        "2 of 4 (50.0%)",
        "1 of 2 (50.0%)",
        "2 of 5 (40.0%)",
    ]
