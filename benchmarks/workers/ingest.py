"""Ours: an own catalogue read from its files, once."""

import time

from turns import Turns, arguments, peak_mb

from micrec_pyg.cli.process import prepare

prepare()

from micrec_pyg.cli.config import experiment  # noqa: E402

turns = Turns()
given = experiment(
    ["data=tables", f"data.path={arguments()['path']}", "features=none", "device=cpu"]
)
before = peak_mb()
begin = time.perf_counter()
(catalogue,) = given.load_data().values()
seconds = time.perf_counter() - begin
kept = len(catalogue.interactions.user)
turns.done(seconds=seconds, before_mb=before, kept=kept)
