"""Templates of all domains are those of each, and their losses are summed."""

import torch
from reference import worlds

from micrec_pyg.graph.build import domain_sizes, train_stage
from micrec_pyg.nn.losses import bpr_loss
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.nn.template_encoder import TemplateEncoder
from micrec_pyg.random_streams import RandomStreams

OPTIONS = {"dim": 4, "std": 0.5, "dropout": 0.3, "alpha_decay": 0.8}


def encoder():
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options())
    sizes = domain_sizes(train)
    made = TemplateEncoder(sizes=sizes, streams=RandomStreams(1), **OPTIONS)
    return train, sizes, made


def test_every_domain_has_its_own_layer_and_stream():
    train, sizes, made = encoder()
    made.anneal(2)
    for name, data in train.graphs.items():
        alone = TemplateEmbedding(
            size=sizes[name], generator=RandomStreams(1)("init", name), **OPTIONS
        )
        alone.anneal(2)
        h = made(name, data, RandomStreams(3))
        expected = alone(data, name, RandomStreams(3))
        assert torch.equal(h.user, expected.user)
        assert torch.equal(h.item, expected.item)


def test_the_loss_is_the_sum_over_the_domains_in_any_order():
    _, sizes, made = encoder()
    triplets = {
        name: worlds.triplets(size.num_user_templates, size.num_item_templates, seed)
        for seed, (name, size) in enumerate(sizes.items())
    }
    expected = 0.0
    for name, rows in triplets.items():
        layer = made.template[f"domain_{name}"]
        q = made.self_enhanced[f"domain_{name}"].q
        expected += bpr_loss(
            layer.user[rows.user] * q, layer.item[rows.pos], layer.item[rows.neg]
        )
    torch.testing.assert_close(made.loss(triplets), expected)
    turned = {name: triplets[name] for name in reversed(triplets)}
    assert torch.equal(made.loss(turned), made.loss(triplets))
