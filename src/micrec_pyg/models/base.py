"""The contract of every model."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.inner_products import InnerProducts
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    ITEM,
    USER,
    Batch,
    Embeddings,
    InputError,
    Score,
    TrainStage,
)

Part = Literal["triplets", "template_triplets", "overlap", "negatives", "users", "pool"]
"""A field of ``Batch``."""


class Model(nn.Module):
    """Embeddings of every node of a graph, and the losses that train them.

    A model holds parameters and hyper-parameters: no graph, no cache, no file.
    Whether nodes are new is a property of the graph that it is given.
    """

    terms: ClassVar[Mapping[str, Part]] = {}
    """Names of the losses, and which part of a batch each needs."""

    answers: frozenset[str] = frozenset({USER, ITEM})
    """The kinds of unseen nodes that the model has an answer for.

    Of another kind, the graphs that the model is given hold those of training alone.
    """

    reads_other_domains: ClassVar[bool] = False
    """Whether other domains change the scores of a domain, of its new nodes alone too,
    before any training step."""

    divisible: ClassVar[frozenset[Part]] = frozenset(
        {"triplets", "template_triplets", "negatives"}
    )
    """Parts of a batch whose losses are means over rows that do not see each other.

    Processes that train together divide their rows; every one reads other parts whole,
    such as a pool that a batch shares. The losses draw nothing per row of them.
    """

    reads_neighborhoods: ClassVar[bool] = False
    """Whether a loss reads only nodes near those that a batch asks about.

    It takes vectors of a node by ``train_row`` or from templates, so that a part of the
    training graph can stand for the whole.
    """

    scores_vectors: ClassVar[bool] = False
    """Whether a scorer of its own reads nothing of an item but its vector, as the inner
    product does: then items of one vector have one score."""

    num_negatives: int = 1
    """Negatives of each positive in the part ``negatives``."""

    loss: RankingLoss | None = None
    """What a pairwise model minimises; it may read the part ``pool`` in place of
    ``triplets``."""

    def prepare(self, train: TrainStage) -> None:
        """Compute what follows from the training graphs, once, before any epoch.

        What it makes is state: dense buffers, declared in the constructor by
        ``register_buffer(name, None)``. They are saved and restored with the
        parameters; a resumed run and an evaluation do not call this again.
        """

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a ``state_dict``, with what ``prepare`` made.

        Args:
            tensors: By name; they replace buffers of another shape, so they must
                lie on the device of the model.

        Raises:
            InputError: They are not the state of this model.
        """
        modules = dict(self.named_modules())
        for name, value in tensors.items():
            owner, _, leaf = name.rpartition(".")
            buffers = modules[owner]._buffers if owner in modules else {}
            if leaf in buffers and getattr(buffers[leaf], "shape", None) != value.shape:
                buffers[leaf] = value.clone()
        try:
            self.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise InputError(
                f"a saved state does not fit {type(self).__name__}, its settings and "
                "its data; train the run again in another folder"
            ) from error

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every domain; nothing where the scorer needs no vectors.

        Args:
            graphs: By domain; of training or larger.
            streams: Draw dropout masks; None, as in evaluation, drops nothing.

        Raises:
            UnseenNodeError: The model cannot represent a node of the graphs.
        """
        return {}

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
        return InnerProducts(z[domain].user, z[domain].item)

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for an epoch, counted from 0."""


def reads_vectors_alone(model: Model) -> bool:
    """Return whether the scores of a model read nothing of an item but its vector."""
    return model.scores_vectors or type(model).scorer is Model.scorer


def parts_of(model: Model) -> dict[str, Part]:
    """Return which part of a batch each loss of a model reads, by its name."""
    instead: Part = "triplets" if model.loss is None else model.loss.part
    return {
        name: instead if part == "triplets" else part
        for name, part in model.terms.items()
    }


def check_weights(model: type[Model] | Model, weights: Mapping[str, float]) -> None:
    """Refuse a weight that is none, or of a loss that the model does not have.

    Args:
        model: It, or its class.
        weights: Of the losses, by name.

    Raises:
        InputError: One is impossible.
    """
    terms: Mapping[str, Part] = getattr(model, "terms", {})
    called = getattr(model, "__name__", type(model).__name__)
    for name, weight in weights.items():
        if name not in terms:
            raise InputError(
                f"model.weights.{name}: the losses of {called} are "
                f"{', '.join(terms) or 'none'}"
            )
        if not 0 <= weight < float("inf"):
            raise InputError(f"model.weights.{name}={weight}: give 0 or more")
