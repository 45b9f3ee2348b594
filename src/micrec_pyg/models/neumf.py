"""NeuMF: a product and a network over two learnt vectors (He et al., WWW 2017)."""

import itertools
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Positive, Widths
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.id_embedding import (
    Unseen,
    answered,
    id_embeddings,
    training_rows,
)
from micrec_pyg.nn.losses import cross_entropy, over_domains
from micrec_pyg.nn.mlp import glorot
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings, Score

AT_ONCE = 2**24
"""Most numbers of the widest hidden layer while users are scored."""


class NeuMF(Model):
    r"""Learn how two vectors match; new nodes get ``unseen``.

    .. math::
        x_1 = \mathrm{relu}(W_1 [v_u, v_i] + b_1), \quad
        x_l = \mathrm{relu}(W_l x_{l-1} + b_l), \quad
        \hat y_{ui} = \sigma(h \cdot [e_u \odot e_i, x_L] + b)

    e and v are learnt vectors of their own, of the product and of the network.

    Deviation: no part is trained before the whole.
    """

    terms: ClassVar[Mapping[str, Part]] = {"cross_entropy": "negatives"}
    scores_vectors: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        unseen: Unseen,
        hidden: Widths,
        num_negatives: Count,
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width of the vectors, of e and of v alike.
            std: Standard deviation of their start values.
            unseen: What unseen nodes get (``IdEmbedding``).
            hidden: Widths of x_1 to x_L.
            num_negatives: Of each positive, in a step.
        """
        super().__init__()
        self.num_negatives = num_negatives
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=2 * dim, std=std, unseen=unseen, streams=streams
        )
        self.match = per_domain(
            sizes,
            lambda domain, size: _Match(
                dim=dim, hidden=hidden, generator=streams("init", "match", domain)
            ),
        )

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return [e, v] of every node.

        Raises:
            UnseenNodeError: A node is unseen and ``unseen`` is ``error``.
        """
        return {d: self.embedding[module_key(d)](data) for d, data in graphs.items()}

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``cross_entropy``, summed over the domains."""
        logits = {}
        for domain, rows in asked(batch).items():
            user, pos, neg = rows.negatives(
                take(training_rows(self.embedding, domain), rows)
            )
            match = self.match[module_key(domain)]
            logits[domain] = (match(user, pos.unsqueeze(1)), match(user, neg))
        return {"cross_entropy": over_domains(cross_entropy, logits)}

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return the logits of all pairs, of a few users at a time."""
        mine, match = z[domain], cast(_Match, self.match[module_key(domain)])
        few = max(1, AT_ONCE // (len(mine.item) * match.width))

        def score(user: Tensor) -> Tensor:
            blocks = mine.user.index_select(0, user).split(few)
            return torch.cat([match(block, mine.item) for block in blocks])

        return score


class _Match(nn.Module):
    """The logit of pairs of vectors [e, v]."""

    def __init__(
        self, *, dim: int, hidden: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.width = max(hidden)
        self.first = glorot(2 * dim, hidden[0], generator)
        self.rest = nn.ModuleList(
            glorot(inputs, outputs, generator)
            for inputs, outputs in itertools.pairwise(hidden)
        )
        self.last = glorot(dim + hidden[-1], 1, generator)

    def forward(
        self,
        user: Float[Tensor, "rows width"],
        item: Float[Tensor, "*rows columns width"],
    ) -> Float[Tensor, "rows columns"]:
        """Return the logits of each user with items of its own, or with all."""
        (e_u, v_u), (e_i, v_i) = user.chunk(2, dim=-1), item.chunk(2, dim=-1)
        # W [v_u, v_i] is a sum: each half is computed once per user and per item.
        of_user, of_item = self.first.weight.chunk(2, dim=1)
        start = functional.linear(v_u, of_user, self.first.bias)
        x = torch.relu(start.unsqueeze(1) + functional.linear(v_i, of_item))
        for layer in self.rest:
            x = torch.relu(layer(x))
        of_product = self.last.weight[0, : e_u.shape[1]]
        of_hidden = self.last.weight[:, e_u.shape[1] :]
        product = (e_u * of_product).unsqueeze(1) @ e_i.transpose(-1, -2)
        hidden = functional.linear(x, of_hidden, self.last.bias)
        return product.squeeze(1) + hidden.squeeze(-1)
