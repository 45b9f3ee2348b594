"""A stage moves as a whole, and what it shares stays shared."""

import pytest
import torch
from reference import worlds

from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.graph.build import train_stage, valid_stage
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.schema import USER


def stages(union):
    domains, splits = worlds.worlds()
    options = worlds.options(union=union)
    train = train_stage(domains, splits, options)
    valid = valid_stage(train, domains, splits, options)
    return train, valid, make_test_stage(train, domains, splits, options)


@pytest.mark.parametrize("union", [False, True])
def test_on_the_cpu_nothing_moves(union):
    for stage in stages(union):
        assert to_device(stage, "cpu") is stage


def tensors(stage):
    """Return every tensor of a stage that is not in a graph."""
    found = [*stage.overlap.values(), *getattr(stage, "labels", {}).values()]
    found += getattr(stage, "person", {}).values()
    for task in stage.tasks.values():
        found += [task.known, task.hidden, task.user, task.item]
    return [tensor for tensor in found if tensor is not None]


@pytest.mark.gpu
@pytest.mark.parametrize("union", [False, True])
def test_everything_moves_and_graphs_stay_shared(union):
    for stage in stages(union):
        moved = to_device(stage, "cuda")
        assert type(moved) is type(stage)
        assert all(tensor.is_cuda for tensor in tensors(moved))
        assert len(tensors(moved)) == len(tensors(stage))
        for name, data in moved.graphs.items():
            assert data[USER].person.is_cuda
            assert not stage.graphs[name][USER].person.is_cuda
        for name, task in moved.tasks.items():
            assert task.data[USER].person.is_cuda
            own = stage.tasks[name]
            shared = own.data is stage.graphs[own.graph]
            assert (task.data is moved.graphs[task.graph]) == shared != union
            assert torch.equal(task.hidden.cpu(), own.hidden)
