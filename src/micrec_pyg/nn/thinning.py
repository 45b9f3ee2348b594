"""A few of a graph's edges, as weights for all of them."""

import torch
from jaxtyping import Float
from torch import Tensor


def thinned(
    edges: Float[Tensor, "users items"], dropout: float, generator: torch.Generator
) -> Float[Tensor, " edges"]:
    r"""Return normalised weights of a random share of the edges, 0 of the others.

    Edges are drawn without replacement by :math:`(d_u d_i)^{-1/2}` (FREEDOM, section
    3.2): those with the largest sums of the log of that weight and a Gumbel number.
    Kept ones get it by the degrees that are left. Nothing waits for the device.

    Args:
        edges: CSR with these weights.
        dropout: Share that is left out, in [0, 1).
        generator: Draws them.
    """
    values, col = edges.values(), edges.col_indices()
    if dropout == 0:
        return values
    row = torch.arange(edges.shape[0], device=col.device).repeat_interleave(
        edges.crow_indices().diff(), output_size=len(col)
    )
    uniform = torch.rand(len(values), generator=generator, device=values.device)
    gumbel = -(-uniform.clamp(min=1e-12).log()).clamp(min=1e-12).log()
    count = max(1, round(len(values) * (1 - dropout)))
    best = (values.log() + gumbel).topk(count, sorted=False).indices
    kept = torch.zeros_like(values).index_fill_(0, best, 1.0)
    degrees = [
        kept.new_zeros(size).index_add_(0, end, kept).clamp(min=1).index_select(0, end)
        for size, end in zip(edges.shape, (row, col), strict=True)
    ]
    return kept * (degrees[0] * degrees[1]).rsqrt()
