from pathlib import Path
from typing import Any

import torch

from micrec_pyg.features import make_features
from micrec_pyg.schema import Feature


def make(
    make_catalogue: Any, counting: Any, folder: Path, *, seed: int | None, **changes
):
    """Return the domains of two catalogues with text and a precomputed modality."""
    audio = Feature(
        torch.arange(15.0).view(5, 3), torch.tensor([True, False, True, True, True])
    )
    texts = ["apple", None, "apple", "fig", "beans"]
    catalogues = {
        "food": make_catalogue("food", texts=texts, vectors={"audio": audio}),
        "kitchen": make_catalogue("kitchen", texts=["pan", "spoon"]),
    }
    arguments = {"text": counting(), "image": None, "cache_dir": str(folder)}
    arguments |= {"kg": None, "drop_rate": 0, "seed": seed or 0}
    arguments["noise"] = seed is not None
    return make_features(catalogues, **{**arguments, **changes})


def test_every_modality_keeps_width_and_mask_and_loses_its_content(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    real = make(make_catalogue, counting, tmp_path, seed=None)
    random = make(make_catalogue, counting, tmp_path, seed=0)
    assert set(real["food"].features) == {"text", "audio"}
    for name, domain in real.items():
        assert random[name].interactions.edges.equal(domain.interactions.edges)
        assert set(random[name].features) == set(domain.features)
        for modality, feature in domain.features.items():
            drawn = random[name].features[modality]
            assert torch.equal(drawn.mask, feature.mask)
            assert drawn.values.shape == feature.values.shape
            assert drawn.values.dtype == feature.values.dtype
            assert not drawn.values[~feature.mask].any()
            there = feature.mask
            assert (drawn.values[there] != feature.values[there]).all()


def test_what_drop_rate_hides_stays_hidden(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    def masks(**given: Any) -> list[list[bool]]:
        domains = make(make_catalogue, counting, tmp_path, drop_rate=0.5, **given)
        return [f.mask.tolist() for d in domains.values() for f in d.features.values()]

    assert masks(seed=None) == masks(seed=0)


def test_equal_texts_and_domains_get_noise_of_their_own(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    random = make(make_catalogue, counting, tmp_path, seed=0)
    food, kitchen = (random[name].features["text"].values for name in random)
    assert not torch.equal(food[0], food[2])  # both are "apple"
    assert not torch.equal(food[0], kitchen[0])


def test_the_noise_follows_from_the_seed_alone(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    first, again, other = (
        make(make_catalogue, counting, tmp_path, seed=seed)["food"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first.features["text"].values, again.features["text"].values)
    assert first.digest == again.digest
    assert not torch.equal(first.features["text"].values, other.features["text"].values)
    assert first.digest != other.digest


def test_the_digest_is_not_that_of_the_real_features(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    real = make(make_catalogue, counting, tmp_path, seed=None)
    random = make(make_catalogue, counting, tmp_path, seed=0)
    assert not {d.digest for d in real.values()} & {d.digest for d in random.values()}


def test_the_cache_of_vectors_stays_real(
    make_catalogue: Any, counting: Any, tmp_path: Path
) -> None:
    make(make_catalogue, counting, tmp_path, seed=0)
    encoder = counting()
    real = make(make_catalogue, counting, tmp_path, seed=None, text=encoder)
    assert encoder.seen == []
    assert real["kitchen"].features["text"].values.tolist() == [[3, 112], [5, 115]]
