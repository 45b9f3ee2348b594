"""What an encoder is: content of items in, vectors out."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

READS_TEXT, READS_FILE = "text", "file"
"""What an encoder may read."""


@runtime_checkable
class Encoder(Protocol):
    """Turns items (texts, or paths of files) into vectors."""

    @property
    def name(self) -> str:
        """A short name, fit for a folder."""

    @property
    def reads(self) -> str:
        """``text``: the texts of the items; ``file``: the files of the modality."""

    @property
    def settings(self) -> Mapping[str, str | int | float | None]:
        """Everything that decides the vectors; cheap to ask, loads no model.

        ``batch_size`` and ``device`` may be among them; they make no other vectors.
        """

    def encode(self, items: Sequence[str]) -> Float[Tensor, "items width"]:
        """Return a float32 vector per item, NaN where the item cannot be read."""
