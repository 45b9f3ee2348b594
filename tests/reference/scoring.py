"""What a model promises: scores of all items for all users, and nothing else."""

import torch

from micrec_pyg.schema import USER


@torch.no_grad()
def scores(model, graphs):
    """Return the scores [users, items] of every domain."""
    z = model(graphs)
    return {
        domain: model.scorer(domain, z, graphs)(
            torch.arange(data[USER].num_nodes, device=data[USER].n_id.device)
        )
        for domain, data in graphs.items()
    }


def same(a, b):
    """Return whether two models score alike, to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
