"""Random numbers: a generator by name, so that nothing shifts what another draws."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


class RandomStreams:
    """Independent random generators by name, all derived from one seed.

    A stream depends on the seed and its own name alone: adding a domain or a
    loss never shifts the numbers that another one draws.
    """

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        """Start with no stream; each is ``made`` when first asked for."""
        self.seed, self.device = seed, torch.device(device)
        self.made: dict[str, torch.Generator] = {}

    def __call__(self, *name: str) -> torch.Generator:
        """Return the generator of this name, the same object every time."""
        key = "/".join(name)
        if key not in self.made:
            digest = hashlib.sha256(f"{self.seed}/{key}".encode()).digest()
            generator = torch.Generator(self.device)
            generator.manual_seed(int.from_bytes(digest[:7], "little"))
            self.made[key] = generator
        return self.made[key]

    def state(self) -> dict[str, Tensor]:
        """Return the state of every stream (bytes), for a checkpoint."""
        return {key: g.get_state() for key, g in self.made.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue every stream from a saved state; what it lacks starts anew."""
        start = RandomStreams(self.seed, self.device)
        for key in {**self.made, **state}:
            name = key.split("/")
            self(*name).set_state(state.get(key, start(*name).get_state()))
