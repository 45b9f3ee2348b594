import errno
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from micrec_pyg.features.encode import encode
from micrec_pyg.features.image import EfficientNetLite0
from micrec_pyg.features.text import SentenceBert
from micrec_pyg.schema import Feature, InputError, StorageError
from micrec_pyg.storage import digests


def test_missing_texts_are_masked_and_never_encoded(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    encoder = counting()
    food = make_catalogue(texts=["apple", None, "", "  \n", "fig"])

    domain = encode({"food": food}, {"text": encoder}, cache_dir=str(tmp_path))

    feature = domain["food"].features["text"]
    assert encoder.seen == ["apple", "fig"]
    assert feature.mask.tolist() == [True, False, False, False, True]
    assert feature.values.tolist() == [[5, 97], [0, 0], [0, 0], [0, 0], [3, 102]]
    assert domain["food"].interactions is food.interactions
    assert set(domain["food"].features) == {"text"}


def test_one_changed_title_encodes_one_row(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    first, second = counting(), counting()
    before = make_catalogue(texts=["apple", "beans", "cheese"])
    after = make_catalogue(texts=["apple", "broad beans", "cheese"])
    encode({"food": before}, {"text": first}, cache_dir=str(tmp_path))

    domain = encode({"food": after}, {"text": second}, cache_dir=str(tmp_path))

    assert first.seen == ["apple", "beans", "cheese"]
    assert second.seen == ["broad beans"]
    values = domain["food"].features["text"].values
    assert values.tolist() == [[5, 97], [11, 98], [6, 99]]


def test_domains_share_one_pass(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    encoder = counting()
    catalogues = {
        "food": make_catalogue("food", texts=["apple", "pan"]),
        "kitchen": make_catalogue("kitchen", texts=["pan", "spoon", "pan"]),
    }

    domains = encode(catalogues, {"text": encoder}, cache_dir=str(tmp_path))

    assert encoder.calls == [["apple", "pan", "spoon"]]
    kitchen = domains["kitchen"].features["text"].values
    assert kitchen.tolist() == [[3, 112], [5, 115], [3, 112]]


def test_unreadable_and_absent_images_are_masked_and_named(
    make_catalogue: Any,
    counting: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    paths = [tmp_path / name for name in ("good.jpg", "unreadable.jpg", "absent.jpg")]
    for path in paths[:2]:
        path.write_bytes(path.name.encode())
    images = [None, *map(str, paths)]
    food = make_catalogue(texts=["a", "b", "c", "d"], images=images)

    with caplog.at_level(logging.WARNING):
        domain = encode(
            {"food": food},
            {"image": counting(reads="file")},
            cache_dir=str(tmp_path / "c"),
        )

    feature = domain["food"].features["image"]
    assert feature.mask.tolist() == [False, True, False, False]
    assert feature.values[[0, 2, 3]].eq(0).all()
    assert "2 of 4 items cannot be read" in caplog.text
    assert f"{paths[1]}, {paths[2]}" in caplog.text
    assert str(paths[0]) not in caplog.text


def test_what_the_system_refuses_now_makes_no_item_without_an_image(
    make_catalogue: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = EfficientNetLite0(batch_size=4, device="cpu")
    path, cache = tmp_path / "a.png", tmp_path / "cache"
    Image.new("RGB", (64, 64), "brown").save(path)
    food = make_catalogue(texts=["a"], images=[str(path)])

    def refused(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    for module, name in ((Image, "open"), (digests.hashlib, "file_digest")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, refused)
            with pytest.raises(StorageError, match="too many files are open"):
                encode({"food": food}, {"image": encoder}, cache_dir=str(cache))

    assert not list(cache.rglob("*.safetensors"))
    domain = encode({"food": food}, {"image": encoder}, cache_dir=str(cache))["food"]
    assert domain.features["image"].mask.tolist() == [True]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG])
def test_an_image_whose_path_cannot_be_read_is_absent(
    make_catalogue: Any,
    counting: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    number: int,
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    food = make_catalogue(texts=["a"], images=[str(path)])

    def refused(*_: Any) -> Any:
        raise OSError(number, "of the path", str(path))

    monkeypatch.setattr(digests.hashlib, "file_digest", refused)
    encoder, cache = counting(reads="file"), str(tmp_path / "cache")
    domain = encode({"food": food}, {"image": encoder}, cache_dir=cache)["food"]
    assert "image" not in domain.features
    assert not encoder.seen


def test_a_file_at_the_same_path_with_other_content_is_encoded_again(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    path, cache = tmp_path / "a.jpg", str(tmp_path / "cache")
    food = make_catalogue(texts=["a"], images=[str(path)])
    seen = []
    for content in (b"one", b"one", b"two"):
        path.write_bytes(content)
        encoder = counting(reads="file")
        encode({"food": food}, {"image": encoder}, cache_dir=cache)
        seen.append(len(encoder.seen))

    assert seen == [1, 0, 1]


def test_a_broken_image_is_masked_until_the_file_is_mended(
    make_catalogue: Any, tmp_path: Path
) -> None:
    encoder = EfficientNetLite0(batch_size=4, device="cpu")
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    for path, color in zip(paths, ("brown", "teal"), strict=True):
        Image.new("RGB", (64, 64), color).save(path)
    whole = paths[1].read_bytes()
    food = make_catalogue(texts=["a", "b"], images=[str(path) for path in paths])

    def features() -> Feature:
        domains = encode(
            {"food": food}, {"image": encoder}, cache_dir=str(tmp_path / "cache")
        )
        return domains["food"].features["image"]

    paths[1].write_bytes(whole[:60])
    broken, again = features(), features()
    paths[1].write_bytes(whole)
    mended = features()

    assert broken.mask.tolist() == again.mask.tolist() == [True, False]
    assert mended.mask.tolist() == [True, True]
    expected = encoder.encode([str(path) for path in paths])
    torch.testing.assert_close(mended.values, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(mended.values[0], broken.values[0], rtol=0, atol=0)


def test_a_modality_that_no_item_has_is_left_out(
    make_catalogue: Any,
    counting: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    empty = Feature(torch.zeros(2, 3), torch.zeros(2, dtype=torch.bool))
    catalogues = {
        "food": make_catalogue("food", texts=["apple", "fig"]),
        "kitchen": make_catalogue(
            "kitchen",
            texts=[None, ""],
            images=[str(tmp_path / "absent.jpg"), None],
            vectors={"audio": empty},
        ),
    }

    with caplog.at_level(logging.INFO):
        domains = encode(
            catalogues,
            {"text": counting(), "image": counting(reads="file")},
            cache_dir=str(tmp_path),
        )

    assert set(domains["food"].features) == {"text"}
    assert domains["kitchen"].features == {}
    lines = [each.message for each in caplog.records if "left out" in each.message]
    assert lines == [
        f"domain '{name}': no item has a usable {kind}; {kind} is left out for this "
        "domain"
        for name, kind in (
            ("food", "image"),
            ("kitchen", "audio"),
            ("kitchen", "image"),
            ("kitchen", "text"),
        )
    ]
    assert "1 of 2 items cannot be read" in caplog.text


def test_precomputed_vectors_pass_on_but_never_beside_an_encoder_of_that_name(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    table = Feature(torch.ones(1, 3), torch.ones(1, dtype=torch.bool))
    food = make_catalogue(texts=["apple"], vectors={"text": table, "taste": table})
    cache = str(tmp_path)

    domain = encode({"food": food}, {}, cache_dir=cache)

    assert domain["food"].features["text"] is table
    assert domain["food"].features["taste"] is table
    with pytest.raises(InputError, match=r"features\.text=null"):
        encode({"food": food}, {"text": counting()}, cache_dir=cache)


def test_the_digest_covers_inputs_encoder_and_settings(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    image = tmp_path / "a.jpg"

    def digest(
        text: str = "apple",
        inputs: str = "inputs",
        salt: int | None = 0,
        picture: bytes = b"one",
    ) -> str:
        image.write_bytes(picture)
        food = make_catalogue(texts=[text], images=[str(image)], digest=inputs)
        encoder = None if salt is None else counting(salt=salt)
        cache = str(tmp_path / "cache")
        domains = encode(
            {"f": food},
            {"text": encoder, "image": counting(reads="file")},
            cache_dir=cache,
        )
        return domains["f"].digest

    variants = [
        digest(),
        digest(text="fig"),
        digest(inputs="other"),
        digest(salt=1),
        digest(salt=None),
        digest(picture=b"two"),
    ]
    assert len(set(variants)) == len(variants)
    assert digest() == variants[0]


HEAVY = ("sentence_transformers", "timm", "open_clip", "torchvision")


def test_a_cached_run_loads_no_encoder_library(
    make_catalogue: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That no module of ours loads one itself is tested in cli/test_python.py."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "brown").save(photo)
    food = make_catalogue(texts=["a box of dates"], images=[str(photo)])

    def encoded() -> Mapping[str, Feature]:
        found = encode(
            {"food": food},
            {
                "text": SentenceBert(
                    model="minilm", batch_size=4, device="cpu", precision="float32"
                ),
                "image": EfficientNetLite0(batch_size=4, device="cpu"),
            },
            cache_dir=str(tmp_path),
        )
        return found["food"].features

    first = encoded()
    for name in [*HEAVY, *sys.modules]:
        if name.split(".")[0] in HEAVY:
            monkeypatch.setitem(sys.modules, name, None)  # its import fails
    again = encoded()
    assert {key: each.values.shape for key, each in again.items()} == {
        "text": (1, 384),
        "image": (1, 1280),
    }
    for key, each in first.items():
        assert torch.equal(again[key].values, each.values)
