"""What makes the host of a GPU wait, noticed on a CPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class NoWaiting(TorchDispatchMode):
    """Refuse what makes a GPU's host wait: values and sizes that depend on values."""

    NAMES = (
        "bincount",
        "equal",
        "is_nonzero",
        "local_scalar_dense",
        "masked_select",
        "nonzero",
        "unique",
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run one operation."""
        name = func.overloadpacket.__name__
        kwargs = kwargs or {}
        waits = name.lstrip("_").startswith(self.NAMES)
        if name == "repeat_interleave":
            waits = kwargs.get("output_size") is None
        if name in ("index", "index_put_", "_index_put_impl_"):
            indices = args[1]
            waits = any(i is not None and i.dtype == torch.bool for i in indices)
        assert not waits, f"{name} waits for the device"
        return func(*args, **kwargs)
