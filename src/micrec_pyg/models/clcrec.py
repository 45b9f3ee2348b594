"""CLCRec: learnt item vectors and their content agree, so content answers new items.

Wei et al., MM 2021, arXiv 2107.05315.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Positive, Share, Widths
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import NodeRows, asked, take
from micrec_pyg.nn.cosine import unit
from micrec_pyg.nn.id_embedding import id_embeddings, training_rows
from micrec_pyg.nn.item_content import encoded, has_content, width_of
from micrec_pyg.nn.losses import l2_loss, over_domains, sampled_softmax
from micrec_pyg.nn.mlp import MLP
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import SampledSoftmax
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, Batch, DomainSize, Embeddings, Pool


class CLCRec(Model):
    r"""Score old items by learnt vectors and new ones by encoded content.

    .. math::
        s(a, i; v) = \frac{\exp(a \cdot v_i / \tau)}
        {\exp(a \cdot v_i / \tau) + \sum_j \exp(a \cdot v_j / \tau)}

    The ranking loss is -log s of a user among v~, where every item is by chance its
    learnt vector or its encoded content. The alignment is -log s of an item's learnt
    vector among encoded contents, all of length 1.

    Deviation: the users of a batch share their negatives; items without content take no
    part in the alignment; L2 is half the mean squared norm, as in the other models.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "alignment": "triplets",
        "l2": "triplets",
    }

    answers: frozenset[str] = frozenset({ITEM})

    loss: SampledSoftmax

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        hidden: Widths,
        replaced: Share,
        temperature: Positive,
        num_negatives: Count,
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes and widths of the content, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width of the vectors.
            std: Standard deviation of their start values.
            hidden: Widths of the hidden layers of the encoder.
            replaced: Share of the items that their content stands for, in ranking.
            temperature: tau, of both losses.
            num_negatives: Items that a batch compares with.
        """
        super().__init__()
        self.replaced = replaced
        self.loss = SampledSoftmax(
            temperature=temperature,
            cosine=False,
            num_negatives=num_negatives,
            in_batch=False,
            log_q=False,
        )
        self.modalities = {d: sorted(size.widths) for d, size in sizes.items()}
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen="zero", streams=streams
        )
        self.encoder = per_domain(
            sizes,
            lambda domain, size: MLP(
                [width_of(size, size.widths), *hidden, dim],
                activation=functional.leaky_relu,
                generator=streams("init", "content", domain),
            ),
        )

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return learnt vectors, and encoded content for new items."""
        z = {}
        for domain, data in graphs.items():
            e = self.embedding[module_key(domain)](data)
            is_new = (data[ITEM].train_row < 0).view(-1, 1)
            item = torch.where(is_new, self._encoded(domain, data, None), e.item)
            z[domain] = Embeddings(user=e.user, item=item)
        return z

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking``, ``alignment``, and ``l2`` of the learnt vectors."""
        of_z, aligned, of_e = {}, {}, {}
        for domain, rows in asked(batch).items():
            e = take(training_rows(self.embedding, domain), rows)
            f = self._encoded(domain, graphs[domain], rows.item)
            chance = torch.rand(
                len(f), 1, generator=streams("replaced", domain), device=f.device
            )
            mixed = torch.where(chance < self.replaced, f, e.item)
            of_e[domain] = rows.triplets(e)
            of_z[domain] = rows.triplets(Embeddings(user=e.user, item=mixed))
            has = has_content(graphs[domain], self.modalities[domain], rows.item)
            aligned[domain] = self._aligned(rows, e.item, f, has, batch.pool[domain])
        return {
            "ranking": self.loss(of_z, batch),
            "alignment": over_domains(sampled_softmax, aligned),
            "l2": over_domains(l2_loss, of_e),
        }

    def _aligned(
        self, rows: NodeRows, e: Tensor, f: Tensor, has: Tensor, pool: Pool
    ) -> tuple[Tensor, ...]:
        """Return what the alignment of a batch reads, of items that have content."""
        size = rows.num_triplets
        return (
            unit(e[:size]) / self.loss.temperature,
            unit(f[:size]),
            unit(f[size:]),
            pool.taken | ~has[size:],
            torch.zeros_like(pool.log_q),
            has[:size],
        )

    def _encoded(
        self, domain: str, data: HeteroData, rows: Tensor | None
    ) -> Float[Tensor, "items dim"]:
        """Return the encoded content of items, of all for None."""
        encoder = self.encoder[module_key(domain)]
        return encoded(encoder, data, self.modalities[domain], rows)
