"""Neighbours by text and facts, against loops over texts and facts."""

import random

import numpy as np
import polars as pl
import pytest
import torch
from reference import facts as reference
from reference.graph import similarity

from micrec_pyg.features.knowledge_graph import KG, KnowledgeGraph
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.schema import DomainCatalogue, Feature, Interactions, Vocab

ITEMS = 30


def catalogue(facts):
    one = torch.tensor([0])
    items = Vocab(pl.Series([f"i{n}" for n in range(ITEMS)]))
    return DomainCatalogue(
        name="food",
        interactions=Interactions(
            user=one, item=one, users=Vocab(pl.Series(["u"])), items=items
        ),
        content={
            "text": pl.Series([None] * ITEMS, dtype=pl.String),
            "image": pl.Series([None] * ITEMS, dtype=pl.String),
        },
        vectors={},
        digest="",
        facts=pl.DataFrame(facts, schema=["item", "relation", "entity"], orient="row"),
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_facts_join_the_weighted_sum(options, share):
    draw = random.Random(4)
    drawn = [
        (draw.randrange(25), draw.choice("rs"), draw.choice("abcdefghi"))
        for _ in range(80)
    ]
    facts = sorted(set(drawn))
    generator = torch.Generator().manual_seed(0)
    text = Feature(
        torch.randn(ITEMS, 5, generator=generator),
        torch.rand(ITEMS, generator=generator) < 0.8,
    )
    found = KnowledgeGraph(min_items=2, max_gib=1.0).features(
        {"food": catalogue(facts)}
    )
    chosen = options(w=1.0, modality_weights={KG: share})

    lists = neighbor_lists(
        weighted({"text": text, KG: found["food"]}, chosen.weights),
        num_nodes=ITEMS,
        k=3,
        include_self=False,
    )

    vectors = [reference.vector({"food": facts}, "food", n, 2) for n in range(ITEMS)]
    by_text = {"text": (text.values.numpy(), text.mask.numpy())}
    for a in range(ITEMS):
        expected = []
        for b in range(ITEMS):
            terms = []  # (weight, cosine) of the modalities that both have
            cosine = similarity(by_text, {"text": 1.0}, a, b)
            if cosine is not None and share < 1:
                terms.append((1 - share, float(cosine)))
            if vectors[a] and vectors[b] and share > 0:
                terms.append((share, reference.cosine(vectors[a], vectors[b])))
            if a != b and terms:
                weight = sum(w for w, _ in terms)
                expected.append(sum(w * s for w, s in terms) / weight)
            else:
                expected.append(0.0)
        best = sorted((s for s in expected if s > 1e-6), reverse=True)[:3]
        listed = lists.index[a][lists.index[a] >= 0].tolist()
        np.testing.assert_allclose([expected[b] for b in listed], best, atol=1e-6)
        np.testing.assert_allclose(lists.similarity[a, : len(best)], best, atol=1e-6)
