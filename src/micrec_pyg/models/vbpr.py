"""VBPR: matrix factorisation with a part from the content of items.

He and McAuley, AAAI 2016, arXiv 1510.01784.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.id_embedding import id_embeddings, training_rows
from micrec_pyg.nn.item_content import encoded, width_of
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.mlp import glorot
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER, Batch, DomainSize, Embeddings


class VBPR(Model):
    r"""Score by learnt vectors and by what users like in the content of items.

    .. math::
        \hat x_{ui} = \gamma_u \cdot \gamma_i + \theta_u \cdot E f_i
        + \beta_i + \beta' \cdot f_i

    f_i is the content, gamma, theta, E and the beta are learnt. A new item has no
    gamma and no beta of its own: its content alone is scored.

    Deviation: f_i has a unit vector of every modality, where the paper has that of one
    image. ``content_l2`` bounds what E and beta' make of the content, where the paper
    bounds E and beta' themselves, and not at all in its experiments (0 here).
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "l2": "triplets",
        "content_l2": "triplets",
    }

    answers: frozenset[str] = frozenset({ITEM})

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        loss: RankingLoss,
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes and widths of the content, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width of gamma and of theta.
            std: Standard deviation of the start values of gamma, theta and beta.
            loss: The ranking loss.
        """
        super().__init__()
        self.loss = loss
        self.modalities = {
            domain: sorted(size.widths) for domain, size in sizes.items()
        }
        self.gamma = id_embeddings(
            sizes, dim=dim, std=std, unseen="zero", streams=streams
        )
        self.taste = per_domain(
            sizes,
            lambda domain, size: _Taste(
                size=size, dim=dim, std=std, generator=streams("init", "taste", domain)
            ),
        )

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return [gamma_u, theta_u, 1] and [gamma_i, E f_i, beta_i + beta' f_i]."""
        z = {}
        for domain, data in graphs.items():
            gamma = self.gamma[module_key(domain)](data)
            row = data[ITEM].train_row
            taste = cast(_Taste, self.taste[module_key(domain)])
            told = encoded(taste.projection, data, self.modalities[domain])
            beta = taste.beta.index_select(0, row.clamp(min=0)) * (row >= 0)
            theta = taste.theta.index_select(0, data[USER].train_row)
            z[domain] = taste(gamma, theta, beta, told)
        return self.loss.scored(z)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking``, ``l2`` of gamma, theta and beta, and ``content_l2``.

        The last one is that of E f_i and beta' f_i, of positives and negatives.
        """
        of_z, of_gamma, of_taste, of_content = {}, {}, {}, {}
        for domain, rows in asked(batch).items():
            taste = cast(_Taste, self.taste[module_key(domain)])
            gamma = take(training_rows(self.gamma, domain), rows)
            theta = taste.theta.index_select(0, rows.user)
            beta = taste.beta.index_select(0, rows.item)
            told = encoded(
                taste.projection, graphs[domain], self.modalities[domain], rows.item
            )
            of_z[domain] = rows.triplets(taste(gamma, theta, beta, told))
            of_gamma[domain] = rows.triplets(gamma)
            of_taste[domain] = rows.triplets(
                Embeddings(
                    theta, functional.pad(beta.view(-1, 1), (0, theta.shape[1] - 1))
                )
            )
            nothing = told.new_zeros(len(theta), told.shape[1])
            of_content[domain] = rows.triplets(Embeddings(nothing, told))
        return {
            "ranking": self.loss(of_z, batch),
            "l2": over_domains(l2_loss, of_gamma) + over_domains(l2_loss, of_taste),
            "content_l2": over_domains(l2_loss, of_content),
        }


class _Taste(nn.Module):
    """What users like in content, and what all of them like."""

    def __init__(
        self, *, size: DomainSize, dim: int, std: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        device = generator.device
        theta = torch.randn(size.num_users, dim, generator=generator, device=device)
        beta = torch.randn(size.num_items, generator=generator, device=device)
        self.theta, self.beta = nn.Parameter(std * theta), nn.Parameter(std * beta)
        # E, and beta' in the last row
        width = width_of(size, size.widths)
        self.projection = glorot(width, dim + 1, generator, bias=False)

    def forward(
        self,
        gamma: Embeddings,
        theta: Float[Tensor, "users dim"],
        beta: Float[Tensor, " items"],
        told: Float[Tensor, "items _told"],
    ) -> Embeddings:
        """Return the vectors whose inner products are the scores.

        Args:
            gamma: Learnt vectors of users and items.
            theta: What the users like in content.
            beta: What all of them like of the items.
            told: The content of the items after ``projection``.
        """
        projected, shift = told.tensor_split([-1], dim=1)
        one, bias = torch.ones_like(theta[:, :1]), beta.view(-1, 1) + shift
        return Embeddings(
            user=torch.cat([gamma.user, theta, one], dim=1),
            item=torch.cat([gamma.item, projected, bias], dim=1),
        )
