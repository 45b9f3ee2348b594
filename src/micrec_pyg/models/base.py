"""The contract of every model."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.schema import (
    ITEM,
    USER,
    Batch,
    DomainSize,
    Embeddings,
    RandomStreams,
    Score,
)

Part = Literal["triplets", "template_triplets", "overlap"]
"""A field of ``Batch``."""


class Model(nn.Module):
    """Embeddings of every node of a graph, and the losses that train them.

    A model holds parameters and hyper-parameters: no graph, no cache, no file.
    Whether nodes are new is a property of the graph that it is given.
    """

    terms: ClassVar[Mapping[str, Part]] = {}
    """Names of the losses, and which part of a batch each needs."""

    answers: ClassVar[frozenset[str]] = frozenset({USER, ITEM})
    """The kinds of unseen nodes that the model has an answer for."""

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every domain.

        Args:
            graphs: By domain; of training or larger.
            streams: Draw dropout masks; None, as in evaluation, drops nothing.

        Raises:
            UnseenNodeError: The model cannot represent a node of the graphs.
        """
        raise NotImplementedError

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return the raw losses by name, for the parts that the batch has.

        Args:
            graphs: Those of training, by domain.
            batch: In rows of these graphs.
            streams: Draw dropout masks.
        """
        raise NotImplementedError

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return a function of user rows to the scores of every item.

        It is made once per domain and ranking, so that what all users share is
        computed once. Here it is the inner product of z.

        Args:
            domain: Whose items are scored.
            z: What ``forward`` returned, of every domain.
            graphs: By domain, those that ``forward`` was given: a model may read
                histories there, also those of the same person in other domains.
        """
        mine = z[domain]
        # The product is faster on a table whose transpose lies in order.
        items = mine.item.T.contiguous()
        return lambda user: mine.user.index_select(0, user) @ items

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for an epoch, counted from 0."""


def module_key(domain: str) -> str:
    """Return the name under which a domain's layers are stored in a model."""
    # ModuleDict refuses dots and the names of its own methods.
    return "domain_" + domain.replace("%", "%25").replace(".", "%2E")


def per_domain(
    sizes: Mapping[str, DomainSize], make: Callable[[str, DomainSize], nn.Module]
) -> nn.ModuleDict:
    """Return a layer for every domain, stored under its ``module_key``."""
    return nn.ModuleDict({module_key(d): make(d, size) for d, size in sizes.items()})
