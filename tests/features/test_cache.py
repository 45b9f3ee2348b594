import errno
import hashlib
import io
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from micrec_pyg.features import cache
from micrec_pyg.features.cache import cached_vectors, identity
from micrec_pyg.schema import StorageError


def _keyed(*items: str) -> dict[bytes, str]:
    return {hashlib.sha256(item.encode()).digest(): item for item in items}


ITEMS = ("apple", "beans", "cheese", "dates", "eggplant")
VECTORS = torch.tensor([[float(len(item)), float(ord(item[0]))] for item in ITEMS])


def test_rows_follow_the_order_asked(counting: Any, tmp_path: Path) -> None:
    forward = cached_vectors(
        counting(), _keyed(*ITEMS), cache_dir=tmp_path, chunk_items=2
    )
    backward = cached_vectors(
        counting(), _keyed(*ITEMS[::-1]), cache_dir=tmp_path, chunk_items=2
    )

    torch.testing.assert_close(forward, VECTORS, rtol=0, atol=0)
    torch.testing.assert_close(backward, VECTORS.flip(0), rtol=0, atol=0)


def test_only_a_new_item_is_encoded(counting: Any, tmp_path: Path) -> None:
    cached_vectors(counting(), _keyed(*ITEMS), cache_dir=tmp_path)
    again, changed = counting(), counting()

    cached_vectors(again, _keyed(*ITEMS), cache_dir=tmp_path)
    vectors = cached_vectors(changed, _keyed("fig", *ITEMS[1:]), cache_dir=tmp_path)

    assert again.calls == []
    assert changed.calls == [["fig"]]
    expected = torch.cat([torch.tensor([[3.0, 102.0]]), VECTORS[1:]])
    torch.testing.assert_close(vectors, expected, rtol=0, atol=0)


def test_other_settings_share_nothing(counting: Any, tmp_path: Path) -> None:
    cached_vectors(counting(salt=0), _keyed(*ITEMS), cache_dir=tmp_path)
    other = counting(salt=1)

    cached_vectors(other, _keyed(*ITEMS), cache_dir=tmp_path)

    assert other.seen == list(ITEMS)
    assert identity(counting(salt=0)) == identity(counting(salt=0))
    assert identity(counting(salt=0)) != identity(other)


def test_an_interrupted_run_goes_on_at_its_chunk(counting: Any, tmp_path: Path) -> None:
    stopped, resumed = counting(fail_after=1), counting()
    with pytest.raises(KeyboardInterrupt):
        cached_vectors(stopped, _keyed(*ITEMS), cache_dir=tmp_path, chunk_items=2)

    vectors = cached_vectors(resumed, _keyed(*ITEMS), cache_dir=tmp_path, chunk_items=2)

    assert stopped.calls == [["apple", "beans"]]
    assert resumed.calls == [["cheese", "dates"], ["eggplant"]]
    torch.testing.assert_close(vectors, VECTORS, rtol=0, atol=0)


def test_a_chunk_is_written_whole_or_not_at_all(
    counting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            cached_vectors(counting(), _keyed(*ITEMS), cache_dir=tmp_path)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_damaged_chunk_is_encoded_again(
    counting: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached_vectors(counting(), _keyed(*ITEMS), cache_dir=tmp_path, chunk_items=3)
    damaged = sorted(tmp_path.rglob("*.safetensors"))[0]
    damaged.write_bytes(b"not a chunk")
    again = counting()

    with caplog.at_level(logging.WARNING):
        vectors = cached_vectors(again, _keyed(*ITEMS), cache_dir=tmp_path)

    assert again.seen in (list(ITEMS[:3]), list(ITEMS[3:]))
    assert str(damaged) in caplog.text
    torch.testing.assert_close(vectors, VECTORS, rtol=0, atol=0)


def test_an_encoder_that_loses_rows_is_an_error(counting: Any, tmp_path: Path) -> None:
    class Loses(counting):  # type: ignore[misc]
        def encode(self, items: Any) -> Any:
            return super().encode(items)[1:]

    with pytest.raises(ValueError, match="4 vectors for 5 items"):
        cached_vectors(Loses(), _keyed(*ITEMS), cache_dir=tmp_path)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_in_a_terminal_and_lines_in_a_log_say_how_long(
    counting: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    terminal: bool,
) -> None:
    monkeypatch.setattr(sys, "stderr", _Terminal() if terminal else io.StringIO())
    monkeypatch.setattr(cache, "_LOG_SECONDS", 0.0)

    with caplog.at_level(logging.INFO):
        cached_vectors(counting(), _keyed(*ITEMS), cache_dir=tmp_path, chunk_items=2)

    shown = sys.stderr.getvalue()
    lines = [each for each in caplog.messages if "left" in each]
    if terminal:
        assert "counting: 100%" in shown
        assert "5/5" in shown
        assert lines == []
    else:
        assert shown == ""
        assert [line.split(",")[0] for line in lines] == [
            "counting: 2 of 5 items",
            "counting: 4 of 5 items",
            "counting: 5 of 5 items",
        ]
        assert all(re.search(r"about \d+ s left", line) for line in lines)


def test_progress_is_logged_where_there_is_no_terminal(
    counting: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached_vectors(counting(), _keyed(*ITEMS[:3]), cache_dir=tmp_path)

    with caplog.at_level(logging.INFO):
        cached_vectors(counting(), _keyed(*ITEMS), cache_dir=tmp_path)

    assert "counting: 2 items to encode, 3 in the cache" in caplog.text
    assert "counting: encoded 2 items in" in caplog.text


def test_a_chunk_that_cannot_be_opened_now_is_kept(
    counting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_vectors(counting(), _keyed(*ITEMS), cache_dir=tmp_path)
    (chunk,) = tmp_path.rglob("*.safetensors")
    real = Path.open

    def refused(path: Path, *given: Any, **options: Any) -> Any:
        if path == chunk:
            raise OSError(errno.EMFILE, "Too many open files", str(path))
        return real(path, *given, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(StorageError, match="too many files are open"):
        cached_vectors(counting(), _keyed(*ITEMS), cache_dir=tmp_path)

    assert chunk.is_file()


def test_batch_size_and_device_share_all_vectors(counting: Any, tmp_path: Path) -> None:
    first, other = counting(), counting()
    first.settings = {"salt": 0, "batch_size": 8, "device": "cuda"}
    other.settings = {"salt": 0, "batch_size": 4, "device": "cpu"}

    cached_vectors(first, _keyed(*ITEMS), cache_dir=tmp_path)
    vectors = cached_vectors(other, _keyed(*ITEMS), cache_dir=tmp_path)

    assert other.calls == []
    torch.testing.assert_close(vectors, VECTORS, rtol=0, atol=0)


@pytest.mark.parametrize(("reads", "usual"), [("text", 32), ("file", 16)])
def test_what_was_made_by_the_usual_settings_stays_valid(
    counting: Any, reads: str, usual: int
) -> None:
    encoder = counting(reads=reads)
    encoder.settings = {"salt": 0, "batch_size": usual, "device": "cpu"}
    usual_way = identity(encoder)
    encoder.settings |= {"batch_size": usual + 1, "device": "cuda"}
    assert identity(encoder) == usual_way
    encoder.settings |= {"salt": 1}
    assert identity(encoder) != usual_way
