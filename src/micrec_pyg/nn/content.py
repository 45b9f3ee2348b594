"""The content of items, all modalities in one vector."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.nn.whitening import fit_whitening, whiten
from micrec_pyg.schema import ITEM, InputError


class Content(nn.Module):
    """Vectors whose inner products are weighted sums of cosines.

    Each modality has a part of the vector, of squared length its weight. An item that
    lacks the modality has zeros there.
    """

    def __init__(
        self, *, weights: Mapping[str, float], dim: int | None, floor: float
    ) -> None:
        """Name the state, which ``fit`` makes.

        Args:
            weights: Of modalities by name; others are not read.
            dim: Axes kept by the whitening (``fit_whitening``); None compares the
                vectors as they are.
            floor: Of the whitening.
        """
        super().__init__()
        self.weights = {name: weights[name] for name in sorted(weights)}
        self.dim, self.floor = dim, floor
        for name in weights:
            self.register_buffer(f"mean_{module_key(name)}", None)
            self.register_buffer(f"axes_{module_key(name)}", None)

    def fit(self, graphs: Mapping[str, HeteroData]) -> None:
        """Whiten every modality over the items of all graphs.

        Raises:
            InputError: Two domains have vectors of different widths.
        """
        for name in self.weights:
            found = _present(graphs, name)
            _check_widths(found, name)
            if found and self.dim is not None:
                mean, axes = fit_whitening(found, dim=self.dim, floor=self.floor)
                setattr(self, f"mean_{module_key(name)}", mean)
                setattr(self, f"axes_{module_key(name)}", axes)

    def forward(
        self, graphs: Mapping[str, HeteroData]
    ) -> dict[str, Float[Tensor, "items width"]]:
        """Return the vectors of every domain's items, all of one width."""
        parts: dict[str, list[Tensor]] = {domain: [] for domain in graphs}
        for name, weight in self.weights.items():
            width = self._width(graphs, name)
            for domain, data in graphs.items():
                items = data[ITEM]
                if name in items:
                    unit = self._unit(items[name], name)
                    present = items[f"{name}_mask"].view(-1, 1)
                    part = torch.where(present, unit * weight**0.5, 0.0)
                else:
                    part = items.degree.new_zeros(items.num_nodes, width).float()
                parts[domain].append(part)
        return {domain: torch.cat(found, dim=1) for domain, found in parts.items()}

    def _unit(self, values: Tensor, name: str) -> Tensor:
        """Return the vectors of one modality, of length 1."""
        if self.dim is None:
            return functional.normalize(values)
        key = module_key(name)
        mean = self.get_buffer(f"mean_{key}")
        if mean is None:  # no item of the training graphs has it
            return values[:, :0]
        return whiten(values, mean, self.get_buffer(f"axes_{key}"))

    def _width(self, graphs: Mapping[str, HeteroData], name: str) -> int:
        """Return the width of the part of a modality."""
        if self.dim is None:
            return next(
                (d[ITEM][name].shape[1] for d in graphs.values() if name in d[ITEM]), 0
            )
        axes = self.get_buffer(f"axes_{module_key(name)}")
        return 0 if axes is None else axes.shape[1]


def _present(graphs: Mapping[str, HeteroData], name: str) -> dict[str, Tensor]:
    """Return the vectors of the items that have a modality, by domain."""
    found = {
        domain: data[ITEM][name][data[ITEM][f"{name}_mask"]]
        for domain, data in graphs.items()
        if name in data[ITEM]
    }
    return {domain: vectors for domain, vectors in found.items() if len(vectors)}


def _check_widths(found: Mapping[str, Tensor], name: str) -> None:
    widths = {domain: vectors.shape[1] for domain, vectors in found.items()}
    if len(set(widths.values())) > 1:
        raise InputError(
            f"the vectors of {name} have different widths ("
            f"{', '.join(f'{d} {w}' for d, w in widths.items())}); one space for the "
            "items of all domains needs one encoder for all"
        )
