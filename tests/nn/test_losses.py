"""Losses against loops and values by hand."""

import math

import pytest
import torch
from reference import crossdomain, micrec_plus, worlds
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.nn.losses import (
    balanced_cross_entropy,
    bpr_loss,
    contrastive_loss,
    gather,
    hardest,
    l2_loss,
    matching_loss,
    over_domains,
    sampled_softmax,
)
from micrec_pyg.nn.ranking import BPR, SampledSoftmax
from micrec_pyg.nn.self_enhanced import SelfEnhancedLoss
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.schema import Batch, DomainSize, Embeddings, InputError, Pool, Triplets


def embeddings(seed=0):
    generator = torch.Generator().manual_seed(seed)
    user, item = (
        torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (6, 9)
    )
    return Embeddings(user=user, item=item)


@pytest.mark.parametrize(
    ("loss", "naive"), [(bpr_loss, reference.bpr), (l2_loss, reference.l2)]
)
def test_loss_of_triplets(loss, naive):
    z, triplets = embeddings(), worlds.triplets(6, 9, 3)
    expected = naive(z.user.numpy(), z.item.numpy(), reference.rows(triplets))
    assert_close(loss(*gather(z, triplets)).item(), float(expected))


def test_values_by_hand():
    z = Embeddings(
        user=torch.tensor([[1.0, 2.0]]), item=torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    )
    row = torch.tensor([0])
    triplets = Triplets(user=row, pos=row, neg=row + 1)
    # scores 3 and 2; squared lengths 5, 9 and 1
    assert_close(bpr_loss(*gather(z, triplets)).item(), math.log(1 + math.exp(-1)))
    assert_close(l2_loss(*gather(z, triplets)).item(), 7.5)


def test_bpr_of_a_hopeless_ranking_is_finite():
    z = Embeddings(user=torch.tensor([[1e3]]), item=torch.tensor([[-1e3], [1e3]]))
    row = torch.tensor([0])
    loss = bpr_loss(*gather(z, Triplets(user=row, pos=row, neg=row + 1)))
    assert_close(loss.item(), 2e6)


# below 0.025 one shifted exponential would underflow
@pytest.mark.parametrize("temperature", [0.005, 0.02, 0.2, 1.0])
def test_contrastive_loss(temperature):
    first, second = embeddings(1).item, embeddings(2).item
    expected = reference.info_nce(first.numpy(), second.numpy(), temperature)
    loss = contrastive_loss(first, second, temperature)
    assert_close(loss.item(), float(expected))
    # Symmetric, and of directions only.
    assert_close(contrastive_loss(3 * second, first, temperature), loss)
    # It is about who is who.
    assert contrastive_loss(first, first, temperature) < loss


def test_matching_loss():
    first, second = (embeddings(seed).item.requires_grad_() for seed in (1, 2))
    logits = first @ second.T
    expected = torch.stack(
        [row.exp().sum().log() - row[place] for place, row in enumerate(logits)]
    ).mean()
    wanted = torch.autograd.grad(expected, (first, second))
    loss = matching_loss(first, second)
    assert_close(loss, expected)
    found = torch.autograd.grad(loss, (first, second))
    for one, other in zip(found, wanted, strict=True):
        assert_close(one, other)


def test_matching_loss_counts_what_repeats():
    first, second = (embeddings(seed).item.requires_grad_() for seed in (1, 2))
    counts = torch.tensor([float(row % 3) for row in range(len(first))])
    rows = torch.arange(len(first)).repeat_interleave(counts.long())
    assert len(rows) > len(first) - (counts == 0).sum()
    expected = matching_loss(first[rows], second[rows])
    found = matching_loss(first, second, counts)
    assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found, (first, second)),
        torch.autograd.grad(expected, (first, second)),
        strict=True,
    ):
        assert_close(one, other)


def test_what_is_never_counted_has_no_weight_in_a_matching_loss():
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    second = torch.tensor([[1.0, 0.0], [1e4, 0.0]], requires_grad=True)
    loss = matching_loss(first, second, torch.tensor([3.0, 0.0]))
    assert_close(loss.item(), math.log(3))  # each among its three
    for grad in torch.autograd.grad(loss, (first, second)):
        assert not grad.any()


def test_matching_loss_of_large_logits_is_finite():
    vectors = torch.tensor([[1e3, 0.0], [0.0, 1e3]])
    assert_close(matching_loss(vectors, vectors.flip(0)).item(), 1e6)
    assert matching_loss(vectors, vectors).item() == 0


def test_contrastive_loss_by_hand():
    same = torch.eye(2)
    # cosines 1 and 0, tau 1: -log(e / (e + 1))
    assert_close(contrastive_loss(same, same, 1.0).item(), math.log(1 + math.exp(-1)))


def test_self_enhanced_loss():
    size = DomainSize(
        num_users=8, num_items=9, num_user_templates=6, num_item_templates=7
    )
    template = TemplateEmbedding(
        size=size,
        dim=4,
        std=1.0,
        dropout=0.5,
        alpha_decay=0.9,
        generator=torch.Generator().manual_seed(0),
    )
    layer = SelfEnhancedLoss(dim=4)
    triplets = worlds.triplets(6, 7, 1)
    rows = reference.rows(triplets)
    user, item = (x.detach().double().numpy() for x in (template.user, template.item))
    assert_close(
        layer(template, triplets).item(),
        float(reference.bpr(user, item, rows)),
        rtol=1e-5,
        atol=0,
    )
    q = torch.tensor([0.5, -1.0, 2.0, 0.0])
    with torch.no_grad():
        layer.q.copy_(q)
    assert_close(
        layer(template, triplets).item(),
        float(reference.bpr(user * q.double().numpy(), item, rows)),
        rtol=1e-5,
        atol=0,
    )


def test_sum_over_domains_in_any_order():
    z = {"b": embeddings(1), "c": embeddings(2), "a": embeddings(3)}
    triplets = {name: worlds.triplets(6, 9, ord(name)) for name in z}
    vectors = {name: gather(z[name], triplets[name]) for name in z}
    total = over_domains(bpr_loss, vectors)
    parts = [
        reference.bpr(z[n].user.numpy(), z[n].item.numpy(), reference.rows(triplets[n]))
        for n in z
    ]
    assert_close(total.item(), float(sum(parts)))
    turned = dict(reversed(vectors.items()))
    assert torch.equal(over_domains(bpr_loss, turned), total)


def pool(in_batch, seed=5):
    """Return a batch of random numbers; the first user took everything."""
    generator = torch.Generator().manual_seed(seed)
    pos = torch.randint(9, (20,), generator=generator)
    taken = torch.rand(20, 4 + 20 * in_batch, generator=generator) < 0.3
    taken[0] = True
    return Pool(
        user=torch.randint(6, (20,), generator=generator),
        pos=pos,
        neg=torch.tensor([0, 3, 4, 8]),
        taken=taken,
        log_q=torch.randn(20, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize(("in_batch", "log_q"), [(0, False), (1, False), (1, True)])
def test_sampled_softmax(cosine, in_batch, log_q):
    z = {name: embeddings(seed) for seed, name in enumerate("ab")}
    for each in z.values():
        each.user.requires_grad_()
    given = {name: pool(in_batch, seed) for seed, name in enumerate("ab")}
    vectors = {
        name: (z[name].user[p.user], z[name].item[p.pos], z[name].item[p.neg])
        for name, p in given.items()
    }
    loss = SampledSoftmax(
        temperature=0.4,
        cosine=cosine,
        num_negatives=4,
        in_batch=bool(in_batch),
        log_q=log_q,
    )
    found = loss(vectors, Batch(pool=given))
    expected = sum(
        reference.sampled_softmax(
            *(rows.detach().numpy() for rows in vectors[name]),
            p.taken.numpy(),
            p.log_q.numpy() * log_q,
            temperature=0.4,
            cosine=cosine,
        )
        for name, p in given.items()
    )
    assert_close(found.item(), float(expected))
    found.backward()
    assert all(bool(each.user.grad.isfinite().all()) for each in z.values())


@pytest.mark.parametrize("in_batch", [False, True])
def test_the_gradient_of_sampled_softmax_is_that_of_autograd(in_batch):
    given, z = pool(in_batch), embeddings()
    rows = given.user, given.pos, given.neg

    def loss_and_gradients(loss):
        tables = [side.clone().requires_grad_() for side in (z.user, z.item, z.item)]
        vectors = [table[row] for table, row in zip(tables, rows, strict=True)]
        found = loss(*vectors, given.taken, given.log_q)
        found.backward()
        return [found.detach(), *(table.grad for table in tables)]

    def plain(user, pos, neg, taken, log_q):
        own, logits = (user * pos).sum(1) - log_q, user @ neg.T
        if in_batch:
            logits = torch.cat([logits, user @ pos.T - log_q], dim=1)
        others = logits.masked_fill(taken, -torch.inf).logsumexp(1)
        return (torch.logaddexp(own, others) - own).mean()

    found, expected = loss_and_gradients(sampled_softmax), loss_and_gradients(plain)
    assert all(map(torch.equal, found, expected))


def test_a_ranking_by_cosine_scores_unit_vectors():
    z = {"a": embeddings()}
    cosine = SampledSoftmax(
        temperature=0.4, cosine=True, num_negatives=4, in_batch=False, log_q=False
    )
    found = cosine.scored(z)["a"]
    assert_close(found.user.norm(dim=1), torch.ones(6, dtype=torch.float64))
    assert_close(found.item * z["a"].item.norm(dim=1, keepdim=True), z["a"].item)
    assert BPR().scored(z)["a"] is z["a"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_negatives": 0}, "num_negatives=0: without in_batch"),
        ({"log_q": True}, "log_q=True: it corrects in-batch negatives"),
    ],
)
def test_nothing_to_compare_with_is_refused(changes, said):
    options = {"num_negatives": 4, "in_batch": False, "log_q": False, **changes}
    with pytest.raises(InputError, match=said):
        SampledSoftmax(temperature=1.0, cosine=True, **options)


@pytest.mark.parametrize("many", [1, 3])
def test_positives_count_as_much_as_all_negatives(many):
    logits = torch.randn(7, 1 + many, dtype=torch.float64)
    expected = crossdomain.both(logits[:, 0].numpy(), logits[:, 1:].numpy())
    assert_close(balanced_cross_entropy(logits).item(), float(expected))


@pytest.mark.parametrize("many", [1, 2, 5])
def test_the_hardest_negative_has_the_largest_score(many):
    z = embeddings()
    generator = torch.Generator().manual_seed(2)
    user, pos = (torch.randint(n, (20,), generator=generator) for n in (6, 9))
    neg = torch.randint(9, (20, many), generator=generator)
    samples = list(zip(user.tolist(), pos.tolist(), neg.tolist(), strict=True))
    chosen = hardest(z.user[user], z.item[neg])
    loss = bpr_loss(z.user[user], z.item[pos], chosen)
    expected = micrec_plus.hardest_bpr(z.user.numpy(), z.item.numpy(), samples)
    assert_close(loss.item(), float(expected))


def test_only_the_chosen_negative_has_a_gradient():
    user, neg = torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 5.0], [2.0, 7.0]]])
    for each in (user, neg):
        each.requires_grad_()
    hardest(user, neg).sum().backward()
    assert neg.grad.tolist() == [[[0.0, 0.0], [1.0, 1.0]]]
    assert user.grad is None
