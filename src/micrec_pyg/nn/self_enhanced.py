"""INMO's auxiliary loss on the raw template vectors."""

import torch
from torch import Tensor, nn

from micrec_pyg.nn.losses import bpr_loss, gather
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.schema import Embeddings, Triplets


class SelfEnhancedLoss(nn.Module):
    r"""BPR between template vectors (INMO, section 4.4).

    .. math::
        \mathrm{mean}\ \mathrm{softplus}((e_u \odot q) \cdot e_j
        - (e_u \odot q) \cdot e_i)

    q is learnt, starts at 1 and is used nowhere else.
    """

    def __init__(self, *, dim: int) -> None:
        """Start q at 1."""
        super().__init__()
        self.q = nn.Parameter(torch.ones(dim))

    def forward(self, template: TemplateEmbedding, triplets: Triplets) -> Tensor:
        """Return the loss; the triplets hold template rows."""
        # Rows first: q times the whole table would touch every template.
        user, pos, neg = gather(Embeddings(template.user, template.item), triplets)
        return bpr_loss(user * self.q, pos, neg)
