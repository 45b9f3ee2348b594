"""A trained model and a closed form, added where they score: late fusion."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.models.base import Model
from micrec_pyg.nn.histories import histories
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings, Score, TrainStage


class Fused(Model):
    """Score by z(s_net) + beta z(s_term).

    z standardises the scores of a user over the items of the domain that are not in
    the user's input: mean 0, standard deviation 1. Only ``net`` is trained, and until
    ``beta`` is set it alone scores, so training and the choice of its best epoch are
    those of ``net``, bit for bit.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        net: Callable[..., Model],
        term: Callable[..., Model],
    ) -> None:
        """Make both.

        Args:
            sizes: As every model gets them.
            streams: Likewise.
            net: Makes the model that is trained.
            term: Makes the one that is not: it has no losses.
        """
        super().__init__()
        self.net = net(sizes=sizes, streams=streams)
        self.term = term(sizes=sizes, streams=streams)
        # What is declared belongs to the class elsewhere; here it is the parts'.
        self.terms, self.divisible = self.net.terms, self.net.divisible  # type: ignore[misc]
        self.reads_neighborhoods = self.net.reads_neighborhoods  # type: ignore[misc]
        self.answers = self.net.answers & self.term.answers
        crosses = self.net.reads_other_domains or self.term.reads_other_domains
        self.reads_other_domains = crosses  # type: ignore[misc]
        self.num_negatives, self.loss = self.net.num_negatives, self.net.loss
        self.beta: Tensor
        self.register_buffer("beta", torch.zeros(()))

    def prepare(self, train: TrainStage) -> None:
        """Prepare both."""
        self.net.prepare(train)
        self.term.prepare(train)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of ``net``; the term has none that training or others could use."""
        found: dict[str, Embeddings] = self.net(graphs, streams)
        return found

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return the losses of ``net``."""
        return self.net.losses(graphs, batch, streams)

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return the sum; with beta = 0 the scores of ``net`` as they are."""
        if not self.beta:
            return self.net.scorer(domain, z, graphs)
        parts, beta = self.parts(domain, z, graphs), self.beta

        def score(user: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
            _, first, second = parts(user)
            return second.mul_(beta).add_(first)

        return score

    def parts(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Callable[[Int[Tensor, " rows"]], tuple[Tensor, Tensor, Tensor]]:
        """Return what any beta sums up: s_net, z(s_net) and z(s_term) of rows."""
        first = self.net.scorer(domain, z, graphs)
        second = self.term.scorer(domain, self.term(graphs), graphs)
        history = histories(graphs[domain])

        def of_rows(user: Int[Tensor, " rows"]) -> tuple[Tensor, Tensor, Tensor]:
            new, scores = 1 - history.rows(user), first(user)
            return scores, standardise(scores, new), standardise(second(user), new)

        return of_rows

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for an epoch of ``net``."""
        self.net.begin_epoch(epoch)


def standardise(
    scores: Float[Tensor, "rows items"], counted: Float[Tensor, "rows items"]
) -> Float[Tensor, "rows items"]:
    """Return scores less their mean, over their standard deviation, row by row.

    Args:
        scores: Any; a row of equal ones becomes 0.
        counted: 1 for the items over which mean and deviation are taken, else 0.
    """
    number = counted.sum(1, keepdim=True).clamp(min=1)
    centred = scores - (scores * counted).sum(1, keepdim=True) / number
    variance = (centred.square() * counted).sum(1, keepdim=True) / number
    # Equal scores keep the rounding of their mean: nothing that may be blown up.
    least = 1e-10 * (scores.square() * counted).sum(1, keepdim=True) / number
    return torch.where(variance > least, centred * variance.rsqrt(), 0.0)
