"""The contract of every model."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

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


def check_contract(model: Model) -> None:
    """Refuse a model that says of itself what cannot be.

    Raises:
        InputError: ``answers`` or ``terms`` names something else than they may, or
            there are terms and no losses.
    """
    name = type(model).__name__
    if wrong := sorted(map(str, {*model.answers} - {USER, ITEM})):
        raise InputError(
            f"{name}.answers has {', '.join(wrong)}; give a set of '{USER}' and "
            f"'{ITEM}', the kinds of unseen nodes that it has an answer for"
        )
    for term, part in model.terms.items():
        if part not in get_args(Part):
            raise InputError(
                f"{name}.terms: {term} reads '{part}'; give one of "
                f"{', '.join(get_args(Part))}"
            )
    if model.terms and type(model).losses is Model.losses:
        raise InputError(
            f"{name} has terms ({', '.join(model.terms)}) and no losses(); define it, "
            "see docs/adding_a_baseline.md"
        )


def prepare(model: Model, train: TrainStage) -> None:
    """Let a model prepare itself, and refuse state that would not be saved.

    Args:
        model: Changed in place.
        train: What it prepares for.

    Raises:
        InputError: It keeps something in attributes that are no buffers.
    """
    before = _attributes(model)
    model.prepare(train)
    after = _attributes(model)
    if lost := [name for name in after if after[name] != before.get(name)]:
        raise InputError(
            f"prepare of {type(model).__name__} keeps {', '.join(lost)} in attributes "
            "that are not saved with the run; declare a tensor in the constructor, "
            "self.register_buffer(name, None), and set it in prepare"
        )


def _attributes(model: Model) -> dict[str, Any]:
    """Return what tells whether an attribute of a module was changed, by its name.

    Parameters, buffers and modules, which are saved, are no such attributes.
    """
    saved = vars(nn.Module()).keys()
    return {
        ".".join(filter(None, [place, key])): _mark(value)
        for place, module in model.named_modules()
        for key, value in vars(module).items()
        if key not in saved
    }


def _mark(value: Any) -> Any:
    """Return something that differs if a value was replaced, or changed in place."""
    if isinstance(value, Tensor):
        return id(value), value._version
    if isinstance(value, Mapping):
        return id(value), [(key, _mark(inner)) for key, inner in value.items()]
    if isinstance(value, list | tuple | set):
        return id(value), [_mark(inner) for inner in value]
    return id(value)


def check_losses(model: Model, losses: Mapping[str, Tensor]) -> None:
    """Refuse losses that nobody would read, or that are no numbers.

    Args:
        model: Whose ``losses`` gave them.
        losses: By name.

    Raises:
        InputError: One is not among the terms, or has several values.
    """
    name = type(model).__name__
    if extra := [each for each in losses if each not in model.terms]:
        raise InputError(
            f"{name}.losses returned {', '.join(extra)}, and terms does not have it; "
            "name it there, with the part of a batch that it reads, and give it a "
            "weight in the yaml"
        )
    for term, loss in losses.items():
        if loss.dim():
            raise InputError(
                f"{name}.losses: {term} has the shape {list(loss.shape)}; give one "
                "number, such as its mean"
            )


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
