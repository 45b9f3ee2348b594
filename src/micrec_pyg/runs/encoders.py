"""The encoders that made a run's features, to be told if they have changed since."""

from collections.abc import Mapping

from micrec_pyg.features.cache import identity
from micrec_pyg.features.encoder import Encoder
from micrec_pyg.runs.code import differing
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.schema import InputError

ENCODERS = "encoders"
"""Of ``metrics.json``: the identity of each encoder by modality."""


def encoders_of(experiment: Experiment) -> dict[str, str]:
    """Return by modality the identity of an encoder, with its weights on disk.

    No model is loaded.
    """
    given = getattr(experiment.encode, "keywords", {})
    return {m: identity(each) for m, each in given.items() if isinstance(each, Encoder)}


def changed_encoders(experiment: Experiment, before: Mapping[str, str]) -> list[str]:
    """Return the modalities whose encoder is not the one that a run was trained with.

    Args:
        experiment: What the run is.
        before: What ``encoders_of`` returned then; of an earlier version, nothing.
    """
    if not before:
        return []
    try:
        now = encoders_of(experiment)
    except (InputError, OSError):  # weights are gone, which a finished run can bear
        return []
    return differing(now, before)
