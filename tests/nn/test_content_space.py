"""Whitened content against the loop, over domains with unlike modalities."""

import pytest
import torch
from reference import micrec_plus as reference
from torch.testing import assert_close
from torch_geometric.data import HeteroData

from micrec_pyg.nn.content_space import ContentMap, ContentSpace
from micrec_pyg.schema import ITEM


def graph(num_items, widths, seed, present=0.8):
    """Return a graph with nothing but items; not all have every modality."""
    generator = torch.Generator().manual_seed(seed)
    data = HeteroData()
    data[ITEM].num_nodes = num_items
    data[ITEM].n_id = torch.arange(num_items)
    for name, width in widths.items():
        values = torch.randn(num_items, width, generator=generator) + 0.5
        mask = torch.rand(num_items, generator=generator) < present
        data[ITEM][name] = values * 3
        data[ITEM][f"{name}_mask"] = mask
    return data


def fitted(graphs, num_components=4):
    space = ContentSpace(domains=graphs, num_components=num_components)
    space.fit(graphs)
    return space


def gram(rows):
    """Return all inner products: the directions have no sign."""
    table = torch.cat([torch.as_tensor(part).double() for part in rows])
    return table @ table.T


@pytest.mark.parametrize("num_components", [4, 128])
@pytest.mark.parametrize(
    "widths",
    [
        ({"text": 6}, {"text": 6}),
        ({"text": 6, "image": 5}, {"image": 5}),
        ({"text": 6}, {"text": 3}),  # another encoder: another space
        ({"text": 6}, {"image": 5}, {"text": 6, "image": 5}),
    ],
)
def test_equals_the_loop(widths, num_components):
    graphs = {f"d{n}": graph(20 + n, each, seed=n) for n, each in enumerate(widths)}
    space = fitted(graphs, num_components)
    found = [space(data) for data in graphs.values()]
    assert all(each.shape[1] == num_components for each in found)
    catalogues = [reference.catalogue(data[ITEM]) for data in graphs.values()]
    expected = reference.content(catalogues, num_components)
    assert_close(gram(found), gram(expected), rtol=1e-4, atol=1e-4)
    for domain, each in zip(graphs, found, strict=True):
        assert torch.equal(space.of_training(domain), each)


def test_items_of_later_graphs_lie_in_the_space_of_training():
    graphs = {"a": graph(20, {"text": 6}, 0), "b": graph(15, {"text": 6}, 1)}
    space = fitted(graphs)
    later = graph(30, {"text": 6}, 2, present=1.0)
    later[ITEM].text[:20] = graphs["a"][ITEM].text
    later[ITEM].text_mask[:20] = graphs["a"][ITEM].text_mask
    assert_close(space(later)[:20], space.of_training("a"))


def test_an_item_without_content_is_zero():
    data = graph(20, {"text": 6, "image": 5}, 0, present=0.5)
    without = ~(data[ITEM].text_mask | data[ITEM].image_mask)
    assert 0 < int(without.sum()) < 20
    found = fitted({"a": data})(data)
    assert torch.equal(found.norm(dim=1) > 0, ~without)
    assert_close(found[~without].norm(dim=1), torch.ones(int((~without).sum())))


def test_values_behind_the_mask_are_not_read():
    data, other = (graph(20, {"text": 6}, 0) for _ in range(2))
    other[ITEM].text[~other[ITEM].text_mask] = 7.0
    assert torch.equal(fitted({"a": data})(data), fitted({"a": other})(other))


@pytest.mark.parametrize("widths", [{}, {"text": 6}])
def test_content_that_tells_nothing_is_zero(widths):
    data = graph(20, widths, 0)
    if widths:
        data[ITEM].text[:] = 1.0  # all alike
    found = fitted({"a": data, "b": graph(5, {}, 1)})(data)
    assert found.shape == (20, 4)
    assert not bool(found.any())


def test_the_order_of_domains_is_irrelevant_and_nothing_else_is_state():
    graphs = {"a": graph(20, {"text": 6}, 0), "b": graph(15, {"text": 6}, 1)}
    space = fitted(graphs)
    turned = fitted(dict(reversed(graphs.items())))
    assert torch.equal(space(graphs["a"]), turned(graphs["a"]))
    other = ContentSpace(domains=graphs, num_components=4)
    for name, value in space.state_dict().items():
        setattr(other, name, value)
    assert torch.equal(other(graphs["a"]), space(graphs["a"]))


def test_the_map_is_linear_and_drawn_at_its_deviation():
    layer = ContentMap(
        num_components=128,
        dim=64,
        std=0.1,
        generator=torch.Generator().manual_seed(0),
    )
    weight = layer.weight.detach()
    assert_close(layer(torch.eye(128)), layer.weight)
    assert abs(float(weight.std()) - 0.1) < 0.005
