r"""MICRec+: MICRec (arXiv 2510.21812) with content, transfer and step graphs.

``m`` is the graph of a training step: the training graph without the positives of
the batch, and without a share of its edges (``StepGraph``); at inference it is the
whole graph. Degrees n, rho and the weights A below are those of m. For every domain
D, with its users u and items i:

.. math::
    c_i &= W_D \tilde x_i && \text{content, whitened over all domains} \\
    h_u &= \rho_u^{\alpha/2-1} (g_U + \textstyle\sum_{i \in N_u} (e_i + c_i)), \quad
    h_i = \rho_i^{\alpha/2-1} (g_I + \textstyle\sum_{u \in N_i} e_u) + c_i
    && \text{templates} \\
    h'_a &= h_a + 2 \sigma(w_0 + w_1 \log(1 + n_a))
    \textstyle\sum_b \tilde s_{ab} h_b && \text{neighbours} \\
    h''_u &= h'_u + \textstyle\sum_{D' \neq D} t_u^{D' \to D}
    && \text{transfer of a shared user's history} \\
    z &= \tfrac{1}{L+1} \textstyle\sum_{l=0}^{L} A^l h'' && \text{LightGCN} \\
    \mathcal L &= \mathrm{softplus}(z_u \cdot z_{j^*} - z_u \cdot z_i)
    + \lambda\, \mathrm{SE} && j^* \text{ the hardest of n uniform negatives}

From INMO are the templates, their dropout and alpha, and the self-enhanced loss SE;
from MICRec the neighbours, LightGCN on top and the contrastive loss, off here. New
are the step graph, the content terms, the gate of the neighbours, the transfer
(``HistoryTransfer``) and the hardest negative.
"""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, cast

from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import (
    Count,
    Layers,
    Natural,
    PartialShare,
    Positive,
    PositiveShare,
)
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.alignment import alignment_loss, projection_heads
from micrec_pyg.nn.batch_rows import NodeRows, asked
from micrec_pyg.nn.content_space import ContentMap, ContentSpace
from micrec_pyg.nn.content_template import template_sums
from micrec_pyg.nn.degree_gate import DegreeGate
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.losses import bpr_loss, hardest, over_domains
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.step_graph import StepGraph
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.nn.template_encoder import TemplateEncoder
from micrec_pyg.nn.transfer import Shared, Transfer, shared_users
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings, TrainStage


class MICRecPlus(Model):
    """Templates with content, gated neighbours, transfer, LightGCN.

    Every part can be left out: ``step_graph`` with nothing taken away,
    ``content_width=0``, ``degree_gate=False``, ``transfer=False``,
    ``num_negatives=1``. Without all of them and with K = 0 this is INMO, bit for bit
    if every training node is a template.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "negatives",
        "self_enhanced": "template_triplets",
        "contrastive": "overlap",
    }

    divisible: ClassVar[frozenset[Part]] = frozenset({"template_triplets"})
    """A step's graph lacks the pairs of its batch, of all rows together."""

    reads_other_domains: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        num_layers: Layers,
        dropout: PartialShare,
        alpha_decay: PositiveShare,
        step_graph: StepGraph,
        content_width: Natural,
        neighbor: NeighborAggregation,
        degree_gate: bool,
        transfer: bool,
        num_negatives: Count,
        temperature: Positive,
    ) -> None:
        """Draw the parameters of every domain; arguments as in the layers.

        Args:
            sizes: Numbers of templates, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width d.
            std: Standard deviation of the start values of templates and W.
            num_layers: L of LightGCN.
            dropout: p of the template layer.
            alpha_decay: Annealing of the template layer.
            step_graph: What the messages of a training step lack.
            content_width: Components of the whitened content; 0 leaves content out.
            neighbor: How similar nodes are aggregated.
            degree_gate: Whether they count by the degree of the node.
            transfer: Whether users are given what they did in other domains.
            num_negatives: Of each positive; the hardest one counts.
            temperature: tau of the contrastive loss.
        """
        super().__init__()
        self.num_negatives, self.temperature = num_negatives, temperature
        self.templates = TemplateEncoder(
            sizes=sizes,
            streams=streams,
            dim=dim,
            std=std,
            dropout=dropout,
            alpha_decay=alpha_decay,
        )
        self.head = projection_heads(sizes, dim=dim, streams=streams)
        with_content = sizes if content_width else {}
        self.space = ContentSpace(domains=with_content, num_components=content_width)
        self.content = per_domain(
            with_content,
            lambda domain, size: ContentMap(
                num_components=content_width,
                dim=dim,
                std=std,
                generator=streams("init", "content", domain),
            ),
        )
        self.gate = per_domain(
            sizes if degree_gate else {}, lambda domain, size: DegreeGate()
        )
        self.transfer = Transfer(
            sizes=sizes if transfer else {}, streams=streams, dim=dim, std=std
        )
        self.step_graph, self.neighbor = step_graph, neighbor
        self.propagation = Propagation(num_layers=num_layers)

    def prepare(self, train: TrainStage) -> None:
        """Fit the space of contents, and find who is in several domains."""
        if self.content:
            self.space.fit(train.graphs)
        self.transfer.find_shared(train.graphs)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node; a user's depends on the graphs of all domains."""
        content = {d: self.space(data) for d, data in graphs.items() if self.content}
        shared = shared_users(graphs) if self.transfer.pairs else {}
        return self._z(graphs, content, shared, streams, {})

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return the terms of the module's last equation, and ``contrastive``.

        ``ranking`` and ``self_enhanced`` are summed over the domains, ``contrastive``
        is the mean over the pairs of domains.
        """
        found, rows = {}, asked(batch)
        z = self._z_of_step(graphs, batch, streams, rows) if rows else {}
        if batch.negatives:
            found["ranking"] = over_domains(bpr_loss, _hardest(z, rows, batch))
        if batch.template_triplets:
            found["self_enhanced"] = self.templates.loss(batch.template_triplets)
        if batch.overlap:
            found["contrastive"] = alignment_loss(
                self.head, z, rows, batch, self.temperature
            )
        return found

    def begin_epoch(self, epoch: int) -> None:
        """Anneal the normalisation of the templates."""
        self.templates.anneal(epoch)

    def _z_of_step(
        self,
        graphs: Mapping[str, HeteroData],
        batch: Batch,
        streams: RandomStreams,
        rows: Mapping[str, NodeRows],
    ) -> dict[str, Embeddings]:
        """Return z of some training nodes, by the graph of the step."""
        smaller = {
            domain: self.step_graph(data, domain, batch.negatives.get(domain), streams)
            for domain, data in graphs.items()
        }
        content = {d: self.space.of_training(d) for d in graphs if self.content}
        return self._z(smaller, content, self.transfer.of_training(), streams, rows)

    def _z(
        self,
        graphs: Mapping[str, HeteroData],
        content: Mapping[str, Tensor],
        shared: Shared,
        streams: RandomStreams | None,
        rows: Mapping[str, NodeRows],
    ) -> dict[str, Embeddings]:
        """Return z; of a domain in ``rows``, that of those nodes alone.

        Args:
            graphs: By domain, as large as contents and rows.
            content: By domain, in the common space.
            shared: By pair of domains.
            streams: Draw the dropout masks; None drops nothing.
            rows: By domain, who is asked about.
        """
        h = {}
        for domain, data in graphs.items():
            key = module_key(domain)
            template = cast(TemplateEmbedding, self.templates.template[key])
            c = self._mapped(content, domain, domain)
            start = template_sums(template, data, c, domain, streams)
            gate = self.gate[key](data) if self.gate else None
            h[domain] = self.neighbor(start, data, gate)
        h = self.transfer(h, graphs, shared, partial(self._mapped, content))
        return {
            domain: self.propagation(h[domain], data, rows.get(domain))
            for domain, data in graphs.items()
        }

    def _mapped(
        self, content: Mapping[str, Tensor], source: str, target: str
    ) -> Tensor | None:
        """Return the contents of one domain's items as another domain sees them."""
        if not self.content:
            return None
        x = content[source]
        to_target = cast(ContentMap, self.content[module_key(target)])
        if self.space.is_empty:  # a product of zeros costs like any other
            return x.new_zeros(len(x), to_target.weight.shape[1])
        mapped: Tensor = to_target(x)
        return mapped


def _hardest(
    z: Mapping[str, Embeddings], rows: Mapping[str, NodeRows], batch: Batch
) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return users, positives and the hardest negatives, by domain."""
    found = {}
    for domain in batch.negatives:
        user, pos, many = rows[domain].negatives(z[domain])
        found[domain] = user, pos, hardest(user, many)
    return found
