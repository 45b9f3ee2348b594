"""What a model of the union says of each domain's own nodes."""

import torch
from reference import worlds

from micrec_pyg.evaluation.embed import embed
from micrec_pyg.graph.build import test_stage, train_stage
from micrec_pyg.graph.union import merge
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER, Embeddings


def degrees(graphs):
    """Return the degree of every node as its embedding."""
    z = {}
    for name, data in graphs.items():
        matrix = (data[INTERACTED_BY].adj_t.to_dense() > 0).float()
        z[name] = Embeddings(
            user=matrix.sum(1).view(-1, 1), item=matrix.sum(0).view(-1, 1)
        )
    return z


def test_without_a_union_the_model_sees_the_graphs_themselves():
    domains, splits = worlds.worlds()
    graphs = train_stage(domains, splits, worlds.options()).graphs
    for name, own in degrees(graphs).items():
        assert torch.equal(embed(degrees, graphs)[name].user, own.user)


def test_in_a_union_a_user_counts_the_edges_in_all_domains():
    domains, splits = worlds.worlds()
    options = worlds.options(union=True)
    train = train_stage(domains, splits, options)
    graphs = test_stage(train, domains, splits, options).graphs
    z = embed(degrees, graphs)
    assert set(z) == set(domains)
    assert merge(domains, splits).domain.name not in z
    known = {
        name: torch.cat([split.train, split.support], dim=1).tolist()
        for name, split in splits.items()
    }
    for name, domain in domains.items():
        data = domain.interactions
        for row, index in enumerate(graphs[name][USER].n_id.tolist()):
            expected = 0
            for other, (users, _) in known.items():
                ids = domains[other].interactions.users.ids
                expected += sum(ids[u] == data.users.ids[index] for u in users)
            assert z[name].user[row] == expected
        for row, index in enumerate(graphs[name][ITEM].n_id.tolist()):
            assert z[name].item[row] == known[name][1].count(index)
