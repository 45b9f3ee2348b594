"""A layer for every domain, stored in a model under the name of the domain."""

from collections.abc import Callable, Mapping

from torch import nn

from micrec_pyg.schema import DomainSize


def module_key(domain: str) -> str:
    """Return the name under which a domain's layers are stored in a model."""
    # ModuleDict refuses dots and the names of its own methods.
    return "domain_" + domain.replace("%", "%25").replace(".", "%2E")


def per_domain(
    sizes: Mapping[str, DomainSize], make: Callable[[str, DomainSize], nn.Module]
) -> nn.ModuleDict:
    """Return a layer for every domain, stored under its ``module_key``."""
    return nn.ModuleDict({module_key(d): make(d, size) for d, size in sizes.items()})
