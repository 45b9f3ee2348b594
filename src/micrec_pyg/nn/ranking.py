"""What a pairwise model minimises: the choice that ``conf/loss`` gives."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from micrec_pyg.allowed import Natural, Positive
from micrec_pyg.nn.cosine import unit
from micrec_pyg.nn.losses import bpr_loss, over_domains, sampled_softmax
from micrec_pyg.schema import Batch, Embeddings, InputError


class RankingLoss:
    """What a pairwise model minimises: a key of its configuration.

    It reads users, the items that they prefer and items that they do not, and says
    how these are drawn.
    """

    part: ClassVar[Literal["triplets", "pool"]] = "triplets"
    """The part of a batch: a negative per positive, or a pool that all share."""

    num_negatives: int = 1
    """Of the pool."""

    in_batch: bool = False
    """Whether the positives of the other users join the pool."""

    cosine: bool = False
    """Whether a score is the cosine, and not the inner product."""

    def __call__(
        self, z: Mapping[str, tuple[Tensor, Tensor, Tensor]], batch: Batch
    ) -> Float[Tensor, ""]:
        """Return the loss, summed over the domains.

        Args:
            z: By domain, the vectors of users, positives and negatives.
            batch: They are the nodes of its part.
        """
        raise NotImplementedError

    def scored(self, z: Mapping[str, Embeddings]) -> dict[str, Embeddings]:
        """Return the vectors whose inner products are the scores."""
        if not self.cosine:
            return dict(z)
        return {
            domain: Embeddings(user=unit(each.user), item=unit(each.item))
            for domain, each in z.items()
        }


class BPR(RankingLoss):
    """Pairwise ranking against one negative (Rendle et al., UAI 2009)."""

    def __call__(
        self, z: Mapping[str, tuple[Tensor, Tensor, Tensor]], batch: Batch
    ) -> Float[Tensor, ""]:
        """Return ``bpr_loss``, summed over the domains."""
        return over_domains(bpr_loss, z)


class SampledSoftmax(RankingLoss):
    """The positive against many items at once (Wu et al., arXiv 2201.02327)."""

    part: ClassVar[Literal["triplets", "pool"]] = "pool"

    def __init__(
        self,
        *,
        temperature: Positive,
        cosine: bool,
        num_negatives: Natural,
        in_batch: bool,
        log_q: bool,
    ) -> None:
        """Choose the form.

        Args:
            temperature: tau, divides the scores.
            cosine: Whether scores are cosines, also those of the ranking.
            num_negatives: Items that are drawn uniformly for each batch.
            in_batch: Whether the positives of the other users are compared with, too.
            log_q: Whether positives, own and others', are corrected for being drawn
                by their popularity.

        Raises:
            InputError: There is nothing to compare with, or to correct.
        """
        if not num_negatives and not in_batch:
            raise InputError(
                "num_negatives=0: without in_batch there is nothing to compare with; "
                "give 1 or more, or in_batch=true"
            )
        if log_q and not in_batch:
            raise InputError(
                "log_q=True: it corrects in-batch negatives; give in_batch=true with it"
            )
        self.temperature, self.cosine, self.log_q = temperature, cosine, log_q
        self.num_negatives, self.in_batch = num_negatives, in_batch

    def __call__(
        self, z: Mapping[str, tuple[Tensor, Tensor, Tensor]], batch: Batch
    ) -> Float[Tensor, ""]:
        """Return ``sampled_softmax``, summed over the domains."""
        given = {}
        for domain, (user, pos, neg) in z.items():
            pool = batch.pool[domain]
            if self.cosine:
                user, pos, neg = (unit(each) for each in (user, pos, neg))
            shift = pool.log_q if self.log_q else torch.zeros_like(pool.log_q)
            given[domain] = (user / self.temperature, pos, neg, pool.taken, shift)
        return over_domains(sampled_softmax, given)
