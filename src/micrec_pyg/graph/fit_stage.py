"""What a model is trained on, under the controls of the overlap and the union."""

from collections.abc import Mapping
from dataclasses import replace

from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.overlap import keep_links, random_pairs
from micrec_pyg.graph.union import UnionGraphs
from micrec_pyg.schema import USER, Domain, TrainStage


def fit_stage(
    train: TrainStage, domains: Mapping[str, Domain], options: GraphOptions
) -> TrainStage:
    """Return what the model is trained on: ``train``, or what a control makes of it.

    The other stages keep the true overlap, so that groups of users mean the same
    under every control.

    Args:
        train: Of ``train_stage`` with the same options.
        domains: Have the raw ids of the users.
        options: With ``union`` there is one domain, and so no overlap.
    """
    graphs = train.graphs
    if isinstance(graphs, UnionGraphs):
        return TrainStage(
            graphs={graphs.name: graphs.data},
            labels={graphs.name: graphs.pairs(train.labels)},
            overlap={},
        )
    overlap = keep_links(
        train.overlap,
        {
            name: domains[name].interactions.users.ids.gather(data[USER].n_id.numpy())
            for name, data in graphs.items()
        },
        ratio=options.overlap_ratio,
        seed=options.seed,
    )
    if options.overlap == "random_pairs":
        overlap = random_pairs(overlap, seed=options.seed)
    return replace(train, overlap=overlap)
