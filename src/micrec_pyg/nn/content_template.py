"""Template sums that also take in what the items are."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.nn.edge_dropout import dropout
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.nn.template_rows import as_node_rows
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, ITEM, USER, EdgeType, Embeddings

_EDGES: dict[str, tuple[EdgeType, EdgeType]] = {
    USER: (INTERACTED_BY, INTERACTS),
    ITEM: (INTERACTS, INTERACTED_BY),
}
"""By the side that is described: its matrix, and the transpose of it."""


def template_sums(
    template: TemplateEmbedding,
    data: HeteroData,
    content: Float[Tensor, "items dim"] | None,
    domain: str,
    streams: RandomStreams | None,
) -> Embeddings:
    r"""Return h of every node from templates and content.

    .. math::
        h_u = \rho_u^{\alpha/2 - 1} (g_U + \sum_{i \in N_u} (e_i + c_i)), \quad
        h_i = \rho_i^{\alpha/2 - 1} (g_I + \sum_{u \in N_i} e_u) + c_i

    e are the vectors of templates, zero for other nodes, and c the content. rho_u is
    1 + the number of terms of the sum: with content it counts all items of the user,
    without it template items alone, as in ``TemplateEmbedding``, which this is then.
    Edges of weight 0, as in a step's graph, do not count.

    Args:
        template: The vectors, the tokens, alpha and the dropout of the terms.
        data: Any graph over the templates of training.
        content: c of every item; None leaves it out.
        domain: Names the random streams of the masks.
        streams: Draw the dropout masks; None drops nothing.
    """
    items, users = (
        as_node_rows(data, kind, table)
        for kind, table in ((ITEM, template.item), (USER, template.user))
    )
    rho = data[USER].rho
    if content is not None:
        items, rho = items + content, data[USER].degree + 1
    user = _side(template, data, USER, rho, items, domain, streams)
    item = _side(template, data, ITEM, data[ITEM].rho, users, domain, streams)
    return Embeddings(user=user, item=item if content is None else item + content)


def _side(
    template: TemplateEmbedding,
    data: HeteroData,
    kind: str,
    rho: Tensor,
    terms: Tensor,
    domain: str,
    streams: RandomStreams | None,
) -> Tensor:
    """Return h of one side, from a term of every node of the other side."""
    here, there = _EDGES[kind]
    matrix, perm = data[here].adj_t, data[here].perm
    scale = rho.pow(template.alpha / 2 - 1)
    values = scale.repeat_interleave(
        matrix.crow_indices().diff(), output_size=matrix.values().numel()
    )
    values = torch.where(matrix.values() > 0, values, 0.0)
    if streams is not None and template.dropout > 0:
        generator = streams("dropout", domain, kind)
        pair = dropout(values, perm, template.dropout, generator)
        scale, _ = dropout(scale, None, template.dropout, generator)
    else:
        pair = (values, values.index_select(0, perm))
    total = template.sum(terms, matrix, data[there].adj_t, pair)
    token = template.user_token if kind == USER else template.item_token
    return torch.addr(total, scale, token.view(-1))
