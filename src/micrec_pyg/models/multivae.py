"""Mult-VAE: a user's items through a narrow, noisy code and back.

Liang et al., WWW 2018, arXiv 1802.05814.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Natural, PartialShare, Widths
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.histories import histories
from micrec_pyg.nn.losses import multinomial_loss, over_domains
from micrec_pyg.nn.mlp import MLP, dropout
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import USER, Batch, DomainSize, Embeddings, Score


class MultiVAE(Model):
    r"""Score the items by the distribution that a user's code decodes to.

    .. math::
        \mu_u, \log \sigma_u^2 = f(x_u / |x_u|), \quad
        z_u = \mu_u + \epsilon \odot \sigma_u, \quad
        \pi(z_u) = \mathrm{softmax}(g(z_u))

    x_u is the 0/1 row of the user's items, f and g are networks with tanh. At
    inference z_u is its mean, and the logits are the scores: new users are answered
    by their history.

    Deviation: the weight of the divergence rises by epochs, not by steps.
    """

    terms: ClassVar[Mapping[str, Part]] = {"likelihood": "users", "divergence": "users"}

    answers: frozenset[str] = frozenset({USER})

    anneal: Tensor

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        hidden: Widths,
        dropout: PartialShare,
        anneal_epochs: Natural,
    ) -> None:
        """Draw the networks of every domain.

        Args:
            sizes: Numbers of items, by domain.
            streams: Draw the start values, a stream per domain and network.
            dim: Width of the code.
            hidden: Widths of the layers of f; those of g are its mirror image.
            dropout: Share of the items of a row that a training step hides.
            anneal_epochs: Epochs until the divergence has its full weight.
        """
        super().__init__()
        self.dropout, self.anneal_epochs = dropout, anneal_epochs
        self.encoder = per_domain(
            sizes,
            lambda domain, size: MLP(
                [size.num_items, *hidden, 2 * dim],
                activation=torch.tanh,
                generator=streams("init", "encoder", domain),
            ),
        )
        self.decoder = per_domain(
            sizes,
            lambda domain, size: MLP(
                [dim, *reversed(hidden), size.num_items],
                activation=torch.tanh,
                generator=streams("init", "decoder", domain),
            ),
        )
        # A tensor, so that a recorded step reads its new value.
        self.register_buffer("anneal", torch.ones(()))

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``likelihood`` and ``divergence``, each summed over the domains.

        The divergence is annealed: its weight is that of the last epochs.
        """
        likelihood, divergence = {}, {}
        for domain, given in batch.users.items():
            generator = streams("dropout", domain)
            mean, log_variance = self._encode(domain, given.interactions, generator)
            noise = torch.empty_like(mean).normal_(generator=streams("noise", domain))
            code = mean + noise * (log_variance / 2).exp()
            logits = self.decoder[module_key(domain)](code)
            likelihood[domain] = (logits, given.interactions)
            divergence[domain] = (mean, log_variance)
        return {
            "likelihood": over_domains(multinomial_loss, likelihood),
            "divergence": self.anneal * over_domains(from_normal, divergence),
        }

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return the logits that the mean code of a user's history decodes to."""
        history, decoder = histories(graphs[domain]), self.decoder[module_key(domain)]

        def score(user: Tensor) -> Tensor:
            logits: Tensor = decoder(self._encode(domain, history.rows(user), None)[0])
            return logits

        return score

    def begin_epoch(self, epoch: int) -> None:
        """Raise the weight of the divergence from 0, in equal steps, to its full."""
        share = epoch / self.anneal_epochs if self.anneal_epochs else 1.0
        self.anneal.fill_(min(1.0, share))

    def _encode(
        self,
        domain: str,
        rows: Float[Tensor, "users items"],
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        """Return the mean and the log of the variance of the users' codes."""
        unit = dropout(functional.normalize(rows), self.dropout, generator)
        encoder: nn.Module = self.encoder[module_key(domain)]
        mean, log_variance = encoder(unit).chunk(2, dim=1)
        return mean, log_variance


def from_normal(
    mean: Float[Tensor, "users dim"], log_variance: Float[Tensor, "users dim"]
) -> Float[Tensor, ""]:
    r"""Return the mean divergence of codes from a standard normal distribution.

    .. math::
        \frac{1}{2} \sum_k (\mu_k^2 + \sigma_k^2 - \log \sigma_k^2 - 1)
    """
    inside = mean.square() + log_variance.exp() - log_variance - 1
    return inside.sum(1).mean() / 2
