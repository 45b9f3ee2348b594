"""What a run is: typed and complete, before anything is read or computed."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from micrec_pyg.blas import AUTO
from micrec_pyg.evaluation.block_size import BlockSize
from micrec_pyg.evaluation.evaluate import Report
from micrec_pyg.evaluation.metrics import METRICS
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.models.base import Model, check_weights
from micrec_pyg.runs.build import build
from micrec_pyg.runs.device import check_compute
from micrec_pyg.runs.identity import model_name
from micrec_pyg.runs.settings import check_settings
from micrec_pyg.runs.term import NONE, with_term
from micrec_pyg.schema import Domain, DomainCatalogue, EdgeSplit, InputError
from micrec_pyg.training.options import FitOptions


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One run, described.

    ``experiment_of`` makes it from settings; a program may make it by hand.
    """

    dataset: str
    """Name of the data, in the path of the run and in tables."""
    model: str
    """Name of the model, likewise."""
    split: str
    """Name of the protocol, likewise."""
    load_data: Callable[[], Mapping[str, DomainCatalogue]]
    """Reads the data: a catalogue by domain."""
    encode: Callable[[Mapping[str, DomainCatalogue]], Mapping[str, Domain]]
    """Turns the content of items into vectors."""
    divide: Callable[[Mapping[str, Domain]], Mapping[str, EdgeSplit]]
    """Divides the interactions of every domain."""
    graph: GraphOptions
    make_model: Callable[..., Model]
    """Takes ``sizes`` and ``streams``; returns an untrained model."""
    weights: Mapping[str, float]
    """Weight of each loss of the model by its name."""
    fit: FitOptions
    rank: partial[Report]
    """``evaluate`` with its keyword arguments ``ks``, ``batch_size``, ``groups``."""
    seed: int
    """Of start values and samples; split and graph have seeds of their own."""
    device: str
    """cpu, cuda or cuda:<number>."""
    precision: str
    """Of products: float32, bf16 or tf32."""
    spmm: str
    """Name of the sparse kernel, or auto."""
    output_dir: str
    """The run goes to ``<output_dir>/<dataset>/<model>/<run id>``."""
    settings: Mapping[str, Any]
    """All of the above as plain values: the content of ``config.yaml``, and what the
    run's id is made of."""
    blas: str = AUTO
    """Library of large dense products on a CPU, or auto."""
    betas: Sequence[float] = ()
    """Weights of the term that are tried after training; none without a term."""
    thumbnails: bool = True
    """Whether the artefact gets small pictures of the items that have images."""

    @property
    def ks(self) -> list[int]:
        """Return the cut-offs of the metrics."""
        return list(self.rank.keywords["ks"])

    @property
    def ks_with_selection(self) -> list[int]:
        """Return the cut-offs of the metrics and that of ``fit.metric``, ascending."""
        return sorted({*self.ks, cut_off(self.fit.metric)})

    @property
    def block_size(self) -> BlockSize:
        """Return how many users are ranked at once, or ``auto``."""
        asked: BlockSize = self.rank.keywords["batch_size"]
        return asked

    @property
    def net(self) -> Callable[..., Model]:
        """Return what makes the trained model, without a term."""
        made: Callable[..., Model] = getattr(self.make_model, "keywords", {}).get(
            "net", self.make_model
        )
        return made

    @property
    def dim(self) -> int:
        """Return the width of the model's vectors; 1 if it has none."""
        return int(getattr(self.net, "keywords", {}).get("dim", 1))

    @property
    def aligns(self) -> bool:
        """Return whether domains are to be aligned by a contrastive loss."""
        return bool(self.weights.get("contrastive"))


def experiment_of(
    settings: Mapping[str, Any], *, device: str | None = None
) -> Experiment:
    """Return the experiment that resolved settings describe.

    Args:
        settings: The content of a ``config.yaml``, of this version or an earlier one.
        device: Where it runs; None takes that of the settings.

    Raises:
        InputError: A setting is missing or impossible, or names something that
            settings may not call.
    """
    check_settings(settings)
    device = device or str(settings["device"])
    settings = _on(settings, device)
    term = settings.get("term", NONE)
    try:
        found = Experiment(
            dataset=str(settings["dataset"]),
            model=model_name(settings),
            split=str(settings["split_name"]),
            load_data=partial(build, settings["data"], "data"),
            encode=build(settings["features"], "features"),
            divide=build(settings["split"], "split"),
            graph=replace(build(settings["graph"], "graph"), device=device),
            make_model=with_term(build(settings["model"]["net"], "model.net"), term),
            weights=settings["model"]["weights"],
            fit=build(settings["fit"], "fit"),
            rank=build(settings["rank"], "rank"),
            seed=settings["seed"],
            device=device,
            precision=settings["precision"],
            spmm=settings["spmm"],
            blas=settings.get("blas", AUTO),
            output_dir=str(settings["output_dir"]),
            settings=settings,
            betas=term.get("betas", ()),
            thumbnails=settings.get("thumbnails", True),
        )
    except KeyError as error:
        raise InputError(
            f"the settings have no key {error}; train the run with this version"
        ) from error
    cut_off(found.fit.metric)
    _check_model(found)
    check_compute(found.precision, found.spmm, found.blas)
    return found


def _on(settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return settings with a device; where it is another one, for the encoders too."""
    here = {**settings, "device": device}
    if device != settings.get("device") and "features" in settings:
        here["features"] = {
            key: {**node, "device": device}
            if isinstance(node, Mapping) and "device" in node
            else node
            for key, node in settings["features"].items()
        }
    return here


def _check_model(experiment: Experiment) -> None:
    made = getattr(experiment.net, "func", experiment.net)
    if not (isinstance(made, type) and issubclass(made, Model)):
        raise InputError(
            f"model.net._target_={made}: give a model, a subclass of "
            f"{Model.__module__}.Model"
        )
    check_weights(made, experiment.weights)
    _check_complete(experiment)
    unseen = getattr(experiment.net, "keywords", {}).get("unseen")
    if unseen == "content" and not experiment.graph.num_neighbors:
        raise InputError(
            "model.net.unseen=content: the graph has no lists of similar nodes; give "
            "model.num_neighbors=10, or K above 0 where the model reads K"
        )


def _check_complete(experiment: Experiment) -> None:
    """Refuse a model some of whose settings are not given.

    Raises:
        InputError: It has keyword arguments that the settings do not have.
    """
    net = experiment.net
    given = {*getattr(net, "keywords", {}), "sizes", "streams"}
    function = getattr(net, "func", net)
    lacking = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.KEYWORD_ONLY
        and name not in given
    ]
    if lacking:
        raise InputError(
            f"model.net lacks {', '.join(lacking)}, which {function.__name__} takes; "
            f"write it into conf/model/{experiment.settings['model']['name']}.yaml, or "
            f"give +model.net.{lacking[0]}=VALUE"
        )


def cut_off(metric: str) -> int:
    """Return the k of a metric such as ndcg@20.

    Raises:
        InputError: There is no such metric.
    """
    name, _, k = metric.partition("@")
    if name not in METRICS or not re.fullmatch("[1-9][0-9]{0,8}", k):
        raise InputError(
            f"fit.metric={metric}: give a metric and its cut-off, such as ndcg@20; "
            f"the metrics are {', '.join(METRICS)}"
        )
    return int(k)
