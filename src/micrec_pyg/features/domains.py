"""What every step that changes the features of a domain does in the end."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from micrec_pyg.schema import Domain, Feature
from micrec_pyg.storage.digests import json_digest

logger = logging.getLogger(__name__)


def without_absent(name: str, features: Mapping[str, Feature]) -> dict[str, Feature]:
    """Return the features that some item has; name the others in the log.

    Args:
        name: Of the domain.
        features: By modality.
    """
    found = {key: each for key, each in features.items() if each.mask.any()}
    for modality in sorted(features.keys() - found.keys()):
        logger.info(
            "domain '%s': no item has a usable %s; %s is left out for this domain",
            name,
            modality,
            modality,
        )
    return found


def with_features(
    domain: Domain, features: Mapping[str, Feature], digest: Callable[[str], str]
) -> Domain:
    """Return a domain with other features.

    Args:
        domain: As it was.
        features: By modality; those that no item has are left out.
        digest: Makes the digest of what it was into that of what it is.
    """
    return replace(
        domain,
        features=without_absent(domain.name, features),
        digest=digest(domain.digest),
    )


def combined_digest(*parts: object) -> str:
    """Return the sha256 of what a step did and to what, as JSON."""
    return json_digest(parts)
