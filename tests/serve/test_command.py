"""What ``micrec serve`` refuses before it listens, and how its process ends."""

import gc
import logging
import signal

import pytest
from fastapi import FastAPI
from serve.conftest import GOLDEN, KEY

from micrec_pyg.cli import serve, serving
from micrec_pyg.schema import InputError
from micrec_pyg.serve.process import Once, listen, run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "lets other machines ask; give --read-key-file, or"),
        (["--host", "203.0.113.1", "--open"], "give another port, or 0 for any"),
        (["--port", "99999"], "no such port; a port is 1 to 65535, or 0 for any"),
        (["--host", "no.invalid", "--open"], "give a name or an address of this"),
        ([f"a={GOLDEN}", f"a={GOLDEN}"], "two artefacts are called 'a'"),
        (["nowhere", "--port", "0"], "'nowhere' is no artefact and no finished run"),
        (["--write-key-file", "nowhere"], "nowhere: there is no such file"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(arguments, words, monkeypatch):
    monkeypatch.delenv("MICREC_READ_KEY", raising=False)
    given = arguments if arguments[0][0] != "-" else [str(GOLDEN), *arguments]
    with pytest.raises((InputError, OSError), match=words):
        serve.main(given)


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(serve, "NEEDED", ("uvicorn", "no_such_library"))
    words = r"needs no_such_library; install them: pip install 'micrec-pyg\[serve\]'"
    with pytest.raises(InputError, match=words):
        serve.main([str(GOLDEN)])


def test_other_machines_may_ask_with_a_key_or_where_it_is_open(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(serving, "run", lambda app, place, **_: ran.append(app))
    everybody = [str(GOLDEN), "--host", "0.0.0.0", "--port", "0"]
    assert serve.main([*everybody, "--open"]) == 0
    monkeypatch.setenv("MICREC_READ_KEY", KEY)
    assert serve.main(everybody) == 0
    assert len(ran) == 2


def test_a_line_that_every_answer_would_have_is_logged_once(caplog):
    logger = logging.getLogger("test_command")
    logger.addFilter(Once())
    for number in range(3):
        logger.warning("ties %d", number)
    assert caplog.messages == ["ties 0"]


def test_nothing_stays_frozen_after_a_second_ctrl_c():
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.getsignal(name) for name in names}
    try:
        run(FastAPI(), listen("127.0.0.1", 0), started=twice)
        # frozen objects are told as leaks when the process ends
        assert gc.get_freeze_count() == 0
    finally:
        gc.unfreeze()
        for name, handler in before.items():
            signal.signal(name, handler)
