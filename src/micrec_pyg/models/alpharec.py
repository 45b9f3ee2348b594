"""AlphaRec: frozen text alone, without a vector of any user or item.

Sheng et al., ICLR 2025, arXiv 2407.05441.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, Widths
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import NodeRows, asked
from micrec_pyg.nn.item_content import content, mean_content, width_of
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.mlp import MLP
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings


class AlphaRec(Model):
    r"""Map the texts of items into a space where preferences are close.

    .. math::
        e_i = \mathrm{MLP}(t_i), \quad
        e_u = \mathrm{MLP}(\mathrm{mean}_{i \in N_u} t_i), \quad
        z = \frac{1}{L + 1} \sum_{l=0}^{L} \hat A^l e

    t are frozen vectors; the score is the cosine of z. New users have a history, and
    new items a text.

    Deviation: every domain has a network of its own; t are unit vectors; all users of
    a batch share their negatives.
    """

    terms: ClassVar[Mapping[str, Part]] = {"ranking": "triplets"}

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        hidden: Widths,
        num_layers: Layers,
        modalities: Sequence[str],
        loss: RankingLoss,
    ) -> None:
        """Draw the network of every domain.

        Args:
            sizes: Widths of the content, by domain.
            streams: Draw the start values, a stream per domain.
            dim: Width of z.
            hidden: Widths of the hidden layers.
            num_layers: L.
            modalities: What is read of the items; a domain may lack some.
            loss: The ranking loss.
        """
        super().__init__()
        self.loss = loss
        self.modalities = {
            domain: sorted(set(modalities) & size.widths.keys())
            for domain, size in sizes.items()
        }
        self.mlp = per_domain(
            sizes,
            lambda domain, size: MLP(
                [width_of(size, self.modalities[domain]), *hidden, dim],
                activation=functional.leaky_relu,
                generator=streams("init", domain),
            ),
        )
        self.propagation = Propagation(num_layers=num_layers)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node, of length 1 where the score is the cosine."""
        return self.loss.scored({d: self._z(d, data) for d, data in graphs.items()})

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking``, summed over the domains."""
        vectors = {
            domain: rows.triplets(self._z(domain, graphs[domain], rows))
            for domain, rows in asked(batch).items()
        }
        return {"ranking": self.loss(vectors, batch)}

    def _z(
        self, domain: str, data: HeteroData, rows: NodeRows | None = None
    ) -> Embeddings:
        """Return z of every node, or of those asked about alone."""
        mlp: nn.Module = self.mlp[module_key(domain)]
        names = self.modalities[domain]
        e = Embeddings(mlp(mean_content(data, names)), mlp(content(data, names)))
        z: Embeddings = self.propagation(e, data, rows)
        return z
