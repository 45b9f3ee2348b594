"""Which nodes of a graph are templates, and their vectors as rows of all nodes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import ITEM, ITEM_TEMPLATE, USER, USER_TEMPLATE

TEMPLATE_OF = {USER: USER_TEMPLATE, ITEM: ITEM_TEMPLATE}


def are_templates(data: HeteroData, kind: str) -> Float[Tensor, " nodes"] | None:
    """Return 1 for each node of a kind that is a template, else 0.

    None if every node is one.
    """
    if _all_are(data, kind):
        return None
    return _template_rows(data, kind)[1].float()


def as_node_rows(
    data: HeteroData, kind: str, templates: Float[Tensor, "templates dim"]
) -> Float[Tensor, "nodes dim"]:
    """Return the vectors of templates as a table of all nodes of their kind.

    Other nodes have zeros. If every node is a template, it is the table itself.
    """
    if _all_are(data, kind):
        return templates
    row, is_template = _template_rows(data, kind)
    return templates.index_select(0, row) * is_template.view(-1, 1)


def _all_are(data: HeteroData, kind: str) -> bool:
    # Templates are nodes, and both are in the order of the vocabulary.
    return bool(data[TEMPLATE_OF[kind]].num_nodes == data[kind].num_nodes)


def _template_rows(data: HeteroData, kind: str) -> tuple[Int[Tensor, " nodes"], Tensor]:
    """Return the template row of each node, and whether it has one."""
    templates, nodes = data[TEMPLATE_OF[kind]].n_id, data[kind].n_id
    row = torch.searchsorted(templates, nodes).clamp(max=len(templates) - 1)
    return row, templates.index_select(0, row) == nodes
