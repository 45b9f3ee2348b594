"""How much a node listens to similar nodes, by how much is known of itself."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.schema import ITEM, USER


class DegreeGate(nn.Module):
    r"""Return a factor of the neighbours of every user and of every item.

    .. math::
        f_a = 2 \sigma(w_0 + w_1 \log(1 + \deg a))

    w are learnt, two of each side, and start at 0: a factor of 1.
    """

    def __init__(self) -> None:
        """Start at a factor of 1."""
        super().__init__()
        self.user = nn.Parameter(torch.zeros(2))
        self.item = nn.Parameter(torch.zeros(2))

    def forward(
        self, data: HeteroData
    ) -> tuple[Float[Tensor, " users"], Float[Tensor, " items"]]:
        """Return the factors of all users and of all items of a graph."""
        return _factor(self.user, data[USER].degree), _factor(
            self.item, data[ITEM].degree
        )


def _factor(weight: Tensor, degree: Tensor) -> Tensor:
    constant, slope = weight.unbind()
    return 2 * torch.sigmoid(constant + slope * degree.float().log1p())
