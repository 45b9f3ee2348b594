"""A modality that this project does not know: one class and one node of yaml.

Follows docs/adding_a_modality.md from files to neighbours.
"""

import re
import sys
import textwrap
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from micrec_pyg.cli.config import composed
from micrec_pyg.data.check.folder import check
from micrec_pyg.features.encoder import READS_FILE
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.runs.build import build
from micrec_pyg.schema import Domain, InputError

PAGE = (Path(__file__).parents[2] / "docs" / "adding_a_modality.md").read_text("utf-8")
RATE, LENGTH, BANDS = 8000, 2000, 16
PITCHES = (300, 900, 1900, 3100)
"""Of item n: number n modulo 4; hertz."""
ITEMS, DAMAGED, SILENT = 12, 8, 11


class Spectrum:
    """The mean strength of frequency bands over a sound of 16 bits."""

    name, reads = "spectrum", READS_FILE

    def __init__(self, *, bands: int) -> None:
        self.bands = bands

    @property
    def settings(self) -> Mapping[str, int]:
        return {"bands": self.bands}

    def encode(self, items: Sequence[str]) -> Tensor:
        return torch.stack([self._vector(path) for path in items])

    def _vector(self, path: str) -> Tensor:
        try:
            with wave.open(path) as sound:
                data = np.frombuffer(sound.readframes(-1), np.int16)
            # numpy refuses half a number, and a sound without any
            strength = np.array_split(np.abs(np.fft.rfft(data)), self.bands)
        except (OSError, EOFError, ValueError, wave.Error):
            return torch.full((self.bands,), torch.nan)
        return torch.tensor([part.mean() for part in strength], dtype=torch.float32)


@pytest.fixture(autouse=True)
def _trusted(monkeypatch):
    """The class of this file is a plug-in: no other package may be called."""
    monkeypatch.setenv("MICREC_PLUGINS", "added_modality")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One domain whose items sound at four pitches; one is damaged, one has no file."""
    monkeypatch.setitem(sys.modules, "added_modality", sys.modules[__name__])
    folder = tmp_path / "shop" / "songs"
    (folder / "audio").mkdir(parents=True)
    pairs = [f"u{u}\ti{i}" for u in range(6) for i in range(ITEMS) if (u + i) % 3]
    (folder / "interactions.tsv").write_text("\n".join(["user\titem", *pairs, ""]))
    for item in range(ITEMS - 1):
        path = folder / "audio" / f"i{item}.wav"
        seconds = np.arange(LENGTH) / RATE
        tone = np.sin(2 * np.pi * (PITCHES[item % 4] + item) * seconds)
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 2, RATE, LENGTH, "NONE", ""))
            sound.writeframes((20_000 * tone).astype(np.int16).tobytes())
    (folder / "audio" / f"i{DAMAGED}.wav").write_bytes(b"no sound")
    return folder.parent


def settings(shop: Path, *more: str) -> list[str]:
    node = f"{{_target_: added_modality.Spectrum, bands: {BANDS}}}"
    cache = f"features.cache_dir={shop.parent / 'cache'}"
    own = ["data=tables", f"data.path={shop}", "features=none", cache]
    return [*own, f"+features.audio={node}", "device=cpu", *more]


def encoded(shop: Path, *more: str) -> Domain:
    config = composed(settings(shop, *more))
    domain: Domain = build(config["features"])(build(config["data"]))["songs"]
    return domain


def number(domain: Domain, place: int) -> int:
    return int(domain.interactions.items.ids[place].removeprefix("i"))


def test_sounds_decide_the_neighbours(shop: Path) -> None:
    domain = encoded(shop)
    audio = domain.features["audio"]
    assert set(domain.features) == {"audio"}
    assert audio.values.shape == (ITEMS, BANDS)
    lacking = {number(domain, i) for i in range(ITEMS) if not audio.mask[i]}
    assert lacking == {DAMAGED, SILENT}

    graph = composed(settings(shop, "+graph.modality_weights.audio=1"))["graph"]
    lists = neighbor_lists(
        weighted(domain.features, build(graph).weights),
        num_nodes=ITEMS,
        k=2,
        include_self=False,
    )
    for place, found in enumerate(lists.index.tolist()):
        me = number(domain, place)
        near = {number(domain, other) for other in found if other >= 0}
        same = {n for n in range(me % 4, ITEMS, 4)} - {me, *lacking}
        assert near == set() if me in lacking else same <= near


def test_the_files_are_checked_and_part_of_the_digest(shop: Path) -> None:
    before = encoded(shop)
    config = composed(settings(shop))["data"]
    catalogue = build(config)["songs"]
    assert catalogue.content["audio"].null_count() == 1
    assert "audio/ (11 files)" in catalogue.sources
    songs = shop / "songs" / "audio"
    (songs / "nobody.wav").write_bytes((songs / "i0.wav").read_bytes())
    (songs / ".hidden").write_bytes(b"")
    options = {
        k: v for k, v in config.items() if k not in ("_target_", "_convert_", "path")
    }
    found = [str(p) for p in check(str(shop), limit=9, options=options).found]
    assert any("1 of 12 items have no audio, such as 'i11'" in each for each in found)
    assert any("1 files of audio are of items that no table has" in f for f in found)
    assert encoded(shop).digest != before.digest
    (songs / "i0.mp3").write_bytes(b"")
    with pytest.raises(InputError, match=r"audio: i0.mp3, i0.wav belong to one item"):
        encoded(shop)


@pytest.mark.parametrize("name", ["notes", "text", "image"])
def test_a_folder_that_is_no_modality_is_named_and_changes_nothing(
    shop: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = encoded(shop)
    file = "i1.txt" if name != "notes" else "todo.txt"
    (shop / "songs" / name).mkdir()
    (shop / "songs" / name / file).write_text("a note")
    caplog.clear()
    assert encoded(shop).digest == before.digest
    assert f"{shop / 'songs' / name}: no " in caplog.text
    assert "it is not read" in caplog.text


def test_controls_act_on_it_as_on_any_other(shop: Path) -> None:
    real = encoded(shop)
    half = encoded(shop, "features.drop_rate={audio: 0.5}")
    assert int(half.features["audio"].mask.sum()) == 5
    noise = encoded(shop, "features.noise=true").features["audio"]
    assert noise.mask.equal(real.features["audio"].mask)
    assert not noise.values.equal(real.features["audio"].values)


def test_an_encoder_says_what_it_reads(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spectrum, "reads", "sound")
    with pytest.raises(InputError, match=r"audio is .*; needed: an encoder, .* 'file'"):
        encoded(shop)


@pytest.mark.parametrize("frames", [b"", b"\1\2\3"])
def test_a_sound_that_cannot_be_read_is_nan_also_in_the_class_of_the_page(
    tmp_path: Path, frames: bytes
) -> None:
    """Without frames, or with three bytes in each."""
    block = re.search(r"(?m)(?:^    .*\n|^\n)+", PAGE[PAGE.index('    """Sounds') :])
    assert block is not None
    of_page: dict[str, Any] = {}
    exec(textwrap.dedent(block[0]), of_page)
    with wave.open(str(tmp_path / "bad.wav"), "wb") as sound:
        sound.setparams((1, max(2, len(frames)), RATE, 0, "NONE", ""))
        sound.writeframes(frames)
    for made in (Spectrum, of_page["Spectrum"]):
        found = made(bands=BANDS).encode([str(tmp_path / "bad.wav")])
        assert found.shape == (1, BANDS)
        assert found.isnan().all()
