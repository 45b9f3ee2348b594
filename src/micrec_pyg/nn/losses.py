"""Pure losses: tensors in, one scalar out."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from micrec_pyg.nn.kernels import takes_triton
from micrec_pyg.nn.log_sums import log_sum, log_sum_of_others, log_sums
from micrec_pyg.schema import Embeddings, Triplets


def bpr_loss(
    user: Float[Tensor, "batch dim"],
    pos: Float[Tensor, "batch dim"],
    neg: Float[Tensor, "batch dim"],
) -> Float[Tensor, ""]:
    r"""Return :math:`\mathrm{mean}\ \mathrm{softplus}(z_u \cdot z_j - z_u \cdot z_i)`.

    Args:
        user: Vectors of users u.
        pos: Of the item i of each that they prefer.
        neg: Of the item j that they prefer it to.
    """
    if takes_triton(user):
        from micrec_pyg.nn.triton_bpr import bpr

        return bpr(user, pos, neg)
    return functional.softplus((user * (neg - pos)).sum(1)).mean()


def sampled_softmax(
    user: Float[Tensor, "batch dim"],
    pos: Float[Tensor, "batch dim"],
    neg: Float[Tensor, "pool dim"],
    taken: Bool[Tensor, "batch columns"],
    log_q: Float[Tensor, " batch"],
    counted: Bool[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    r"""Return the softmax loss of positives among the items that users did not take.

    .. math::
        l_{ui} = z_u \cdot z_i - c_i, \quad
        -\mathrm{mean} \log \frac{\exp l_{ui}}{\exp l_{ui} + \sum_j \exp l_{uj}}

    j are the items of the pool and, where ``taken`` has columns for them, the
    positives of the batch, without what the user took. c is ``log_q`` of positives,
    own and others', and 0 of the pool.

    Args:
        user: Vectors of users, divided by the temperature.
        pos: Of their positives.
        neg: Of the items of the pool.
        taken: True where the user took the item: first of ``neg``, then of ``pos``.
        log_q: Correction of every positive.
        counted: The rows over which the mean is; None are all. Of none it is 0.
    """
    own = (user * pos).sum(1) - log_q
    logits = user @ neg.T
    if taken.shape[1] > len(neg):
        logits = torch.cat([logits, user @ pos.T - log_q], dim=1)
    losses = torch.logaddexp(own, log_sum_of_others(logits, taken)) - own
    if counted is None:
        return losses.mean()
    return (losses * counted).sum() / counted.sum().clamp(min=1)


def l2_loss(
    user: Float[Tensor, "batch dim"],
    pos: Float[Tensor, "batch dim"],
    neg: Float[Tensor, "negatives dim"],
) -> Float[Tensor, ""]:
    r"""Return :math:`\frac{1}{2}\mathrm{mean}(|e_u|^2 + |e_i|^2 + |e_j|^2)`.

    A pool of negatives that all users share counts once, over the size of the batch.
    """
    squares = [rows.square().sum() for rows in (user, pos, neg)]
    return torch.stack(squares).sum() / (2 * len(user))


def cross_entropy(
    pos: Float[Tensor, "batch 1"], neg: Float[Tensor, "batch negatives"]
) -> Float[Tensor, ""]:
    r"""Return the binary cross-entropy of logits, mean over all of them.

    .. math::
        -\mathrm{mean}(\log \sigma(x_{ui}), \log(1 - \sigma(x_{uj})))

    Args:
        pos: Logits of the pairs that are there.
        neg: Of pairs that are not.
    """
    losses = functional.softplus(torch.cat([-pos, neg], dim=1))
    return losses.mean()


def balanced_cross_entropy(logits: Float[Tensor, "batch columns"]) -> Float[Tensor, ""]:
    r"""Return the binary cross-entropy of positives plus that of negatives.

    .. math::
        -\mathrm{mean} \log \sigma(x_{ui}) - \mathrm{mean} \log(1 - \sigma(x_{uj}))

    Args:
        logits: Those of the pairs that are there in the first column, then those of
            pairs that are not.
    """
    pos, neg = logits[:, 0], logits[:, 1:]
    return functional.softplus(-pos).mean() + functional.softplus(neg).mean()


def multinomial_loss(
    logits: Float[Tensor, "users items"], taken: Float[Tensor, "users items"]
) -> Float[Tensor, ""]:
    r"""Return :math:`-\mathrm{mean}_u \sum_i x_{ui} \log \mathrm{softmax}(l_u)_i`.

    Args:
        logits: l.
        taken: x, 1 for the items that a user took, else 0.
    """
    own = (logits * taken).sum(1)
    return (taken.sum(1) * logits.logsumexp(1) - own).mean()


def matching_loss(
    first: Float[Tensor, "rows dim"],
    second: Float[Tensor, "rows dim"],
    counts: Float[Tensor, " rows"] | None = None,
) -> Float[Tensor, ""]:
    r"""Return :math:`-\mathrm{mean}_a \log \mathrm{softmax}_b(x_a \cdot y_b)` at b = a.

    Args:
        first: x, divided by the temperature.
        second: y, in the same order.
        counts: How often each pair of rows stands among those that are compared, also
            never, but not all of them; None is once. Repeats cost nothing.
    """
    logits = first @ second.T
    if counts is not None:
        logits += counts.log()
    losses = log_sum(logits) - (first * second).sum(1)
    if counts is None:
        return losses.mean()
    return (losses * counts).sum() / counts.sum()


def contrastive_loss(
    first: Float[Tensor, "users dim"],
    second: Float[Tensor, "users dim"],
    temperature: float,
) -> Float[Tensor, ""]:
    r"""Return the symmetric InfoNCE loss of two views (MICRec, section 4.3).

    .. math::
        L_1 = -\mathrm{mean}_u \log \frac{\exp(\cos(a_u, b_u) / \tau)}
        {\sum_{u'} \exp(\cos(a_u, b_{u'}) / \tau)}, \quad L = (L_1 + L_2) / 2

    Args:
        first: Vectors of the users in one domain.
        second: Vectors of the same users, in the same order, in the other.
        temperature: tau.
    """
    # The temperature divides n x d numbers, not the n x n of the product.
    first = functional.normalize(first, dim=1) / temperature
    second = functional.normalize(second, dim=1)
    there, back = log_sums(first @ second.T, bound=1 / temperature)
    own = (first * second).sum(1)
    return ((there + back) / 2 - own).mean()


def gather(z: Embeddings, triplets: Triplets) -> tuple[Tensor, Tensor, Tensor]:
    """Return the vectors of users, positives and negatives, each [batch, dim]."""
    # One gather for both kinds of items: its gradient is one dense table, not two.
    items = z.item.index_select(0, torch.cat([triplets.pos, triplets.neg]))
    pos, neg = items.chunk(2)
    return z.user.index_select(0, triplets.user), pos, neg


def over_domains(
    loss: Callable[..., Tensor], vectors: Mapping[str, tuple[Tensor, ...]]
) -> Float[Tensor, ""]:
    """Return the sum over the domains of a loss, in alphabetical order of domains."""
    # Float sums depend on their order; the order of the mapping must not matter.
    return torch.stack([loss(*vectors[d]) for d in sorted(vectors)]).sum()


def hardest(
    user: Float[Tensor, "batch dim"], negatives: Float[Tensor, "batch many dim"]
) -> Float[Tensor, "batch dim"]:
    r"""Return of each row the negative with the largest score.

    .. math::
        j^* = \mathrm{argmax}_j\ z_u \cdot z_j

    The first one among equals; the choice has no gradient, its vector has.

    Args:
        user: Vectors of users u.
        negatives: Of the items j of each.
    """
    if negatives.shape[1] == 1:
        return negatives[:, 0]
    with torch.no_grad():
        best = (negatives @ user.unsqueeze(2)).argmax(1, keepdim=True)
    chosen = negatives.gather(1, best.expand(-1, -1, negatives.shape[2]))
    return chosen[:, 0]
