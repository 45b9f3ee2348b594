"""What items are, as vectors in one space for all domains, and a map into a model."""

import json
from collections.abc import Iterable, Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.schema import ITEM

REGULARISER = 0.1
"""Share of the mean variance that is added to that of each direction."""
BLOCK = 4096
"""Items at a time."""

Modality = tuple[str, int]
"""A name and a width: vectors of another width are another modality."""


class ContentSpace(nn.Module):
    r"""Whiten the content of all domains' items together (PCA).

    .. math::
        \tilde x_i = \frac{V (x_i - \mu)}{|V (x_i - \mu)|}, \quad
        V_k = \frac{v_k}{\sqrt{\lambda_k + 0.1\, \bar\lambda}}

    x are vectors of length 1, mu is their mean, and v_k are the eigenvectors of their
    covariance with the C largest eigenvalues lambda_k, whose mean is
    :math:`\bar\lambda`. Mean and covariance are of the training items of all domains,
    so that an item is described alike wherever it is sold.

    Several modalities are put side by side, each centred over the items that have it
    and divided by the root of its total variance: so none counts more for its width
    or its spread. Where an item lacks one, its part is zero, the mean. An item
    without any content is the zero vector. With less than C directions the last
    columns are zero.
    """

    mean: Tensor
    """Of each column of all modalities side by side."""
    basis: Tensor
    """[columns, C]: the transpose of V, and the divisor of each modality."""
    modalities: Tensor
    """Names and widths in their order: a JSON text as bytes, so that it is state."""

    def __init__(self, *, domains: Iterable[str], num_components: int) -> None:
        """Name what ``fit`` computes.

        Args:
            domains: Names of the graphs.
            num_components: C.
        """
        super().__init__()
        self.num_components = num_components
        for name in ("mean", "basis", "modalities", *map(module_key, domains)):
            self.register_buffer(name, None)

    @torch.no_grad()
    def fit(self, graphs: Mapping[str, HeteroData]) -> None:
        """Compute the space, and where the items of these graphs lie in it.

        Args:
            graphs: Those of training, by domain.
        """
        found = sorted({each for data in graphs.values() for each in _found(data)})
        ordered = [graphs[domain] for domain in sorted(graphs)]
        device = ordered[0][ITEM].n_id.device
        text = json.dumps(found).encode()
        self.modalities = torch.tensor(list(text), dtype=torch.uint8, device=device)
        moments = [_moments(each, ordered) for each in found]
        self.mean = torch.cat([torch.zeros(0), *(m for m, _ in moments)]).to(device)
        scale = torch.cat([torch.zeros(0), *(s for _, s in moments)]).to(device)
        vectors = _directions(self._covariance(ordered, scale), self.num_components)
        self.basis = scale.view(-1, 1) * vectors.to(device)
        for domain in sorted(graphs):
            setattr(self, module_key(domain), self(graphs[domain]))

    def forward(self, data: HeteroData) -> Float[Tensor, "items components"]:
        """Return the whitened content of every item of a graph."""
        parts = [rows @ self.basis for rows, _ in self._blocks(data)]
        return functional.normalize(torch.cat(parts), dim=1)

    @property
    def is_empty(self) -> bool:
        """Return whether no item had content, so that all are the zero vector."""
        return not len(self.basis)

    def of_training(self, domain: str) -> Float[Tensor, "items components"]:
        """Return the whitened content of the training items of a domain."""
        return self.get_buffer(module_key(domain))

    def _covariance(self, ordered: list[HeteroData], scale: Tensor) -> Tensor:
        """Return the covariance of the scaled columns, over items with content."""
        total = torch.zeros(len(scale), len(scale), dtype=torch.float64)
        count = 0
        for data in ordered:
            for rows, present in self._blocks(data):
                scaled = rows * scale
                total += (scaled.T @ scaled).double().cpu()
                count += int(present.sum())
        return total / max(count, 1)

    def _blocks(self, data: HeteroData) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield centred rows of some items, and which of these have any content."""
        named = json.loads(bytes(self.modalities.tolist()))
        here = _found(data)
        for begin in range(0, data[ITEM].num_nodes, BLOCK):
            size = min(BLOCK, data[ITEM].num_nodes - begin)
            rows = self.mean.new_zeros(size, len(self.mean))
            present = torch.zeros(size, dtype=torch.bool, device=rows.device)
            first = 0
            for name, width in named:
                if (name, width) in here:
                    mask = data[ITEM][f"{name}_mask"][begin : begin + size]
                    unit = _unit(data[ITEM][name][begin : begin + size])
                    part = unit - self.mean[first : first + width]
                    rows[:, first : first + width] = part * mask.view(-1, 1)
                    present |= mask
                first += width
            yield rows, present


class ContentMap(nn.Module):
    """A linear map W from whitened content to the vectors of one domain."""

    def __init__(
        self, *, num_components: int, dim: int, std: float, generator: torch.Generator
    ) -> None:
        """Draw W from N(0, std^2).

        Args:
            num_components: C, width of the content.
            dim: Width d.
            std: Standard deviation of the start values.
            generator: Draws the start values.
        """
        super().__init__()
        drawn = torch.randn(
            num_components, dim, generator=generator, device=generator.device
        )
        self.weight = nn.Parameter(std * drawn)

    def forward(
        self, content: Float[Tensor, "items components"]
    ) -> Float[Tensor, "items dim"]:
        """Return W x of every item."""
        return content @ self.weight


def _found(data: HeteroData) -> list[Modality]:
    """Return the modalities that the items of a graph have."""
    store = data[ITEM]
    names = [name for name in store.keys() if f"{name}_mask" in store]
    return [(name, store[name].shape[1]) for name in sorted(names)]


def _unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows.float(), dim=1)


def _moments(modality: Modality, ordered: list[HeteroData]) -> tuple[Tensor, Tensor]:
    """Return mean and divisor^-1 of the columns of a modality, over all domains."""
    name, width = modality
    total, squares, count = torch.zeros(width, dtype=torch.float64), 0.0, 0
    for data in ordered:
        if modality not in _found(data):
            continue
        rows = _unit(data[ITEM][name]).double().cpu()
        rows = rows[data[ITEM][f"{name}_mask"].cpu()]
        total += rows.sum(0)
        squares += float(rows.square().sum())
        count += len(rows)
    mean = total / max(count, 1)
    variance = squares / max(count, 1) - float(mean @ mean)
    # Vectors that are all alike tell nothing; what is left is rounding.
    factor = variance**-0.5 if variance > 1e-9 else 0.0
    return mean.float(), torch.full((width,), factor)


def _directions(covariance: Tensor, count: int) -> Tensor:
    """Return [columns, count]: the whitening directions, zero where there are none."""
    width = len(covariance)
    found = torch.zeros(width, count)
    kept = min(width, count)
    if kept == 0 or not bool((covariance != 0).any()):
        return found
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0)[:kept].clamp(min=0), vectors.flip(1)[:, :kept]
    # A direction has no sign of its own: its largest part shall be positive.
    largest = vectors.abs().argmax(0, keepdim=True)
    vectors = vectors * vectors.gather(0, largest).sign()
    found[:, :kept] = (vectors / (values + REGULARISER * values.mean()).sqrt()).float()
    return found
