"""LATTICE: graphs of similar items in every modality, learnt beside the vectors.

Zhang et al., MM 2021, arXiv 2104.09036.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, Positive, Share
from micrec_pyg.graph.similar.vectors import similar_rows, with_new_rows
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked
from micrec_pyg.nn.id_embedding import (
    Unseen,
    answered,
    id_embeddings,
    training_rows,
)
from micrec_pyg.nn.item_content import content
from micrec_pyg.nn.item_lists import ItemLists
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.mlp import glorot
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, Batch, DomainSize, Embeddings, TrainStage


class LATTICE(Model):
    r"""LightGCN, plus vectors of items that are smoothed over learnt graphs of items.

    .. math::
        A = \sum_m \alpha_m (\lambda N(S_m) + (1 - \lambda) N(\tilde S_m)), \quad
        z_u = c_u, \quad z_i = c_i + \frac{A^l e_i}{|A^l e_i|}

    c is LightGCN's vector. S_m are the cosines of every item and the k most similar
    ones, itself included, by the content of modality m, the others 0;
    :math:`\tilde S_m` are those by W_m x + b_m. :math:`N(S) = D^{-1/2} S D^{-1/2}`
    with the sums of rows D, and alpha is a softmax of learnt numbers.

    Which items are in a list by W_m x + b_m is decided before each epoch, by the
    vectors of the last step, and for a ranking, by the parameters at hand. Their
    cosines are computed in every step: the loss moves W, b and alpha through them.

    Deviation: their code lets gradients through in the first step of an epoch alone,
    and normalises the mix of modalities, not each; content is frozen and of length 1.
    Cosines below 0 count as 0. An item without a modality is alone in its graph. New
    items find the k - 1 most similar ones of training, whose lists stay as they are,
    and new nodes start at ``unseen``.
    """

    terms: ClassVar[Mapping[str, Part]] = {"ranking": "triplets", "l2": "triplets"}

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        unseen: Unseen,
        num_layers: Layers,
        num_item_layers: Layers,
        k: Count,
        skip: Share,
        loss: RankingLoss,
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes and widths of the content, by domain.
            streams: Draw the start values, a stream per domain and modality.
            dim: Width of the vectors, and of the projected content.
            std: Standard deviation of the start values of e.
            unseen: What unseen nodes get (``IdEmbedding``).
            num_layers: Of LightGCN.
            num_item_layers: l, on the graphs of items.
            k: Items in a list, itself included.
            skip: lambda, the weight of the graph of content.
            loss: The ranking loss.
        """
        super().__init__()
        self.loss, self.num_item_layers, self.skip = loss, num_item_layers, skip
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.structures = per_domain(
            sizes,
            lambda domain, size: nn.ModuleDict(
                {
                    module_key(name): _Structure(
                        name,
                        width=size.widths[name],
                        dim=dim,
                        others=min(k, size.num_items) - 1,
                        generator=streams("init", "content", domain, name),
                    )
                    for name in sorted(size.widths)
                }
            ),
        )
        self.importance = nn.ParameterDict(
            {
                module_key(domain): torch.zeros(len(size.widths), device=streams.device)
                for domain, size in sizes.items()
                if size.widths
            }
        )
        self.propagation = Propagation(num_layers=num_layers)

    def prepare(self, train: TrainStage) -> None:
        """Find the lists by content, and those by the start values."""
        for domain, data in train.graphs.items():
            for structure in self._structures(domain):
                structure.prepare(data)

    def begin_epoch(self, epoch: int) -> None:
        """Find the lists by projected content anew."""
        for structure in self.modules():
            if isinstance(structure, _Structure):
                structure.choose()

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node."""
        z = {}
        for domain, data in graphs.items():
            e: Embeddings = self.embedding[module_key(domain)](data)
            c = self.propagation(e, data)
            parts = [each.of_graph(data) for each in self._structures(domain)]
            h = self._smoothed(domain, parts, e.item)
            z[domain] = Embeddings(c.user, c.item + functional.normalize(h, dim=1))
        return self.loss.scored(z)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking`` and ``l2``, summed over the domains."""
        of_z = {}
        for domain, rows in asked(batch).items():
            data = graphs[domain]
            e = training_rows(self.embedding, domain)
            c: Embeddings = self.propagation(e, data, rows)
            parts = [each.of_training(data) for each in self._structures(domain)]
            h = self._smoothed(domain, parts, e.item).index_select(0, rows.item)
            z = Embeddings(c.user, c.item + functional.normalize(h, dim=1))
            of_z[domain] = rows.triplets(z)
        return {
            "ranking": self.loss(of_z, batch),
            "l2": over_domains(l2_loss, of_z),
        }

    def _structures(self, domain: str) -> list["_Structure"]:
        mine = cast(nn.ModuleDict, self.structures[module_key(domain)])
        return [cast(_Structure, each) for each in mine.values()]

    def _smoothed(
        self, domain: str, parts: list["_Graphs"], item: Float[Tensor, "items dim"]
    ) -> Float[Tensor, "items dim"]:
        """Return A^l e of all items; 0 in a domain without content."""
        if not parts:
            return torch.zeros_like(item)
        shares = self.importance[module_key(domain)].softmax(0)
        for _ in range(self.num_item_layers):
            total = torch.zeros_like(item)
            for share, (frozen, learned) in zip(shares, parts, strict=True):
                mixed = torch.lerp(learned(item), frozen(item), self.skip)
                total = total + share * mixed
            item = total
        return item


class _Graph(NamedTuple):
    """N(S) of one kind of list."""

    lists: ItemLists
    similarity: Float[Tensor, "items others"]
    """Of those in the lists; that of an item to itself is 1."""

    def __call__(self, x: Float[Tensor, "items dim"]) -> Float[Tensor, "items dim"]:
        """Return N(S) x."""
        root = (1 + self.similarity.sum(1, keepdim=True)).rsqrt()
        scaled = x * root
        return (scaled + self.lists.weighted_sum(self.similarity, scaled)) * root


class _Graphs(NamedTuple):
    """Those of one modality."""

    frozen: _Graph
    """By content."""
    learned: _Graph
    """By projected content."""


class _Structure(nn.Module):
    """The similar items of one domain in one modality."""

    def __init__(
        self,
        modality: str,
        *,
        width: int,
        dim: int,
        others: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.modality, self.others = modality, others
        self.layer = glorot(width, dim, generator)
        self.frozen, self.learned = ItemLists(), ItemLists()
        self.similarity: Tensor
        self.register_buffer("similarity", None)
        self.latest: Tensor
        """The vectors of the last step."""
        self.register_buffer("latest", None)

    def prepare(self, data: HeteroData) -> None:
        """Find the lists of the training graph."""
        index, self.similarity = similar_rows(
            content(data, [self.modality]), self.others
        )
        self.frozen.fill(index)
        self.latest = self._vectors(data).detach()
        self.choose()

    def choose(self) -> None:
        """Find the lists by projected content, of the last step."""
        self.learned.fill(similar_rows(self.latest, self.others)[0])

    def of_training(self, data: HeteroData) -> _Graphs:
        """Return the graphs of the training items, and keep their vectors."""
        x = self._vectors(data)
        self.latest.copy_(x.detach())
        return self._graphs(self.frozen, self.similarity, self.learned, x)

    def of_graph(self, data: HeteroData) -> _Graphs:
        """Return the graphs of all items at hand, chosen by the parameters at hand."""
        x, row = self._vectors(data), data[ITEM].train_row
        values = content(data, [self.modality])
        new = (row < 0).nonzero().flatten()
        old = row.argsort(stable=True)[len(new) :]  # in the order of training
        known = self.frozen.index.long(), self.similarity
        index, similarity = with_new_rows(known, values, old, new)
        chosen = similar_rows(x.detach().index_select(0, old), self.others)
        frozen, learned = ItemLists(), ItemLists()
        frozen.fill(index)
        learned.fill(with_new_rows(chosen, x.detach(), old, new)[0])
        return self._graphs(frozen, similarity, learned, x)

    def _graphs(
        self, frozen: ItemLists, similarity: Tensor, learned: ItemLists, x: Tensor
    ) -> _Graphs:
        cosines = learned.products(x).clamp(min=0)
        return _Graphs(_Graph(frozen, similarity), _Graph(learned, cosines))

    def _vectors(self, data: HeteroData) -> Float[Tensor, "items dim"]:
        """Return W x + b of length 1; 0 where the content is missing."""
        has = data[ITEM][f"{self.modality}_mask"].view(-1, 1)
        projected: Tensor = self.layer(content(data, [self.modality]))
        x: Tensor = functional.normalize(projected, dim=1) * has
        return x
