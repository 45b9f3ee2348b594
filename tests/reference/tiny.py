"""Four tiny models of kinds that conf/model may lack."""

import re
import sys
import types
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from micrec_pyg.models.base import Model
from micrec_pyg.models.lightgcn import LightGCN
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.histories import histories
from micrec_pyg.nn.id_embedding import IdEmbedding
from micrec_pyg.nn.losses import over_domains
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import SampledSoftmax
from micrec_pyg.schema import USER

PAGE = Path(__file__).parents[2] / "docs" / "adding_a_baseline.md"


def documented():
    """Return the model that docs/adding_a_baseline.md shows: counts, no gradient."""
    found = re.search(
        r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    module = types.ModuleType("association_of_the_page")
    sys.modules[module.__name__] = module
    exec(compile(found[1], str(PAGE), "exec"), module.__dict__)
    return module.Association


def linear(inputs, outputs, generator):
    """Return a linear layer with start values from a generator."""
    layer = nn.Linear(inputs, outputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5, generator=generator)
    return layer


class TwoTowers(Model):
    """Like NeuMF: a product and a small network over learnt vectors, per domain."""

    terms: ClassVar = {"cross_entropy": "negatives"}
    answers = frozenset()

    def __init__(self, *, sizes, streams, dim, num_negatives):
        super().__init__()
        self.num_negatives = num_negatives
        self.towers = per_domain(
            sizes,
            lambda domain, size: IdEmbedding(
                size=size,
                dim=2 * dim,
                std=0.5,
                unseen="error",
                generator=streams("init", domain),
            ),
        )
        self.hidden = per_domain(
            sizes, lambda d, _: linear(2 * dim, dim, streams("init", "hidden", d))
        )
        self.out = per_domain(
            sizes, lambda d, _: linear(2 * dim, 1, streams("init", "out", d))
        )

    def forward(self, graphs, streams=None):
        return {d: self.towers[module_key(d)](data) for d, data in graphs.items()}

    def losses(self, graphs, batch, streams):
        logits = {}
        for domain, rows in asked(batch).items():
            table = self.towers[module_key(domain)].training_rows()
            user, pos, neg = rows.negatives(take(table, rows))
            items = torch.cat([pos.unsqueeze(1), neg], dim=1)
            logits[domain] = (self._score(domain, user.unsqueeze(1), items),)
        return {"cross_entropy": over_domains(first_is_true, logits)}

    def scorer(self, domain, z, graphs):
        mine = z[domain]
        return lambda user: self._score(domain, mine.user[user].unsqueeze(1), mine.item)

    def _score(self, domain, user, item):
        """Return logits [rows, items] of users [rows, 1, 2 d]."""
        (u, v), (i, j) = user.chunk(2, -1), item.chunk(2, -1)
        shape = torch.broadcast_shapes(v.shape, j.shape)
        both = torch.cat([v.expand(shape), j.expand(shape)], dim=-1)
        hidden = torch.relu(self.hidden[module_key(domain)](both))
        found = self.out[module_key(domain)](torch.cat([u * i, hidden], dim=-1))
        return found.squeeze(-1)


def first_is_true(logits):
    """Return the binary cross-entropy where the first item of each row is taken."""
    target = torch.zeros_like(logits)
    target[:, :1] = 1
    return functional.binary_cross_entropy_with_logits(logits, target)


class UserAutoEncoder(Model):
    """Like MultiVAE: a user's row of items through a narrow, noisy layer and back."""

    terms: ClassVar = {"multinomial": "users", "prior": "users"}
    answers = frozenset({USER})

    def __init__(self, *, sizes, streams, dim):
        super().__init__()
        self.encoder = per_domain(
            sizes,
            lambda d, size: linear(size.num_items, 2 * dim, streams("init", "in", d)),
        )
        self.decoder = per_domain(
            sizes,
            lambda d, size: linear(dim, size.num_items, streams("init", "out", d)),
        )

    def losses(self, graphs, batch, streams):
        likelihood, prior = {}, {}
        for domain, given in batch.users.items():
            mean, log_variance = self._encode(domain, given.interactions)
            noise = torch.empty_like(mean).normal_(generator=streams("noise", domain))
            code = mean + noise * (log_variance / 2).exp()
            logits = self.decoder[module_key(domain)](code)
            likelihood[domain] = (logits, given.interactions)
            prior[domain] = (mean, log_variance)
        return {
            "multinomial": over_domains(multinomial, likelihood),
            "prior": over_domains(divergence, prior),
        }

    def scorer(self, domain, z, graphs):
        history, decoder = histories(graphs[domain]), self.decoder[module_key(domain)]
        return lambda user: decoder(self._encode(domain, history.rows(user))[0])

    def _encode(self, domain, rows):
        return self.encoder[module_key(domain)](functional.normalize(rows)).chunk(2, 1)


def multinomial(logits, rows):
    """Return the negative log-likelihood of the items of a row, mean over users."""
    return -(logits.log_softmax(1) * rows).sum(1).mean()


def divergence(mean, log_variance):
    """Return the divergence from a standard normal distribution, mean over users."""
    inside = mean.square() + log_variance.exp() - log_variance - 1
    return inside.sum(1).mean() / 2


def config(net, **weights):
    """Return what a yaml of conf/model would say."""
    return {"num_neighbors": 0, "weights": weights, "net": net}


MODELS = {
    "counts": config(partial(documented(), shrink=2.0)),
    "a scorer of its own": config(
        partial(TwoTowers, dim=4, num_negatives=3), cross_entropy=1.0
    ),
    "sampled softmax": config(
        partial(
            LightGCN,
            dim=4,
            std=0.5,
            unseen="zero",
            num_layers=2,
            neighbor=None,
            loss=SampledSoftmax(
                temperature=0.2, cosine=True, num_negatives=9, in_batch=True, log_q=True
            ),
        ),
        ranking=1.0,
        l2=0.1,
    ),
    "rows of users": config(
        partial(UserAutoEncoder, dim=4), multinomial=1.0, prior=0.2
    ),
}
