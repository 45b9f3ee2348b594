"""MARec against the closed form of the paper, by the inverse of the whole matrix."""

import numpy as np
import torch
from reference import closed_forms, worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.marec import MARec
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER

OPTIONS = worlds.options(num_neighbors=0)
RIDGE, ALPHA, BETA, WEIGHT = 2.0, 1.5, 0.4, 5.0


def test_scores_also_of_new_nodes():
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, OPTIONS)
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    model = MARec(
        sizes=domain_sizes(train),
        streams=RandomStreams(0),
        ridge=RIDGE,
        alignment=ALPHA * BETA,
        taken_weight=WEIGHT,
        max_dense=1000,
    )
    model.prepare(train)
    for domain, found in scores(model, graphs).items():
        known, items = graphs[domain], graphs[domain][ITEM]
        old = train.graphs[domain]
        column = items.train_row.tolist()
        x = np.zeros((old[USER].num_nodes, items.num_nodes))
        taken = old[INTERACTED_BY].adj_t.to_dense() > 0
        for item, row in enumerate(column):
            if row >= 0:
                x[:, item] = taken[:, row]
        similar = [
            closed_forms.similar_content(numbers(items[name]))
            for name in ("image", "text")
        ]
        seen = [item for item, row in enumerate(column) if row >= 0]
        mu = closed_forms.regression(
            x[:, seen], [(x @ g)[:, seen] for g in similar], WEIGHT
        )
        assert_close(
            numbers(model.items[f"domain_{domain}"].mu), mu, rtol=1e-3, atol=1e-5
        )
        aligned = sum(m * x @ g for m, g in zip(mu, similar, strict=True))
        weights = closed_forms.marec(x, aligned, RIDGE, ALPHA, BETA)
        rows = (known[INTERACTED_BY].adj_t.to_dense() > 0).double().numpy()
        expected = torch.from_numpy(rows @ weights).float()
        assert len(seen) < items.num_nodes
        assert_close(found, expected, rtol=1e-3, atol=1e-5)
