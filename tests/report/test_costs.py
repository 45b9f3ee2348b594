"""What runs took: mean and deviation by hand."""

import math

from micrec_pyg.report.costs import costs_table
from micrec_pyg.runs.read import Run


def _run(fit_s: float | None, epochs: int) -> Run:
    timing = {"train_epoch_s": 0.25} if fit_s is None else {"fit_s": fit_s}
    return Run("folder", {"timing": timing, "epochs": epochs}, {})


def test_costs_by_hand() -> None:
    runs = {"A|B": [_run(10.0, 7), _run(13.0, 9)], "one": [_run(None, 4)]}
    sd = math.sqrt(1.5**2 * 2)
    assert costs_table(runs).splitlines() == [
        "| model | runs | training, s | epoch, s | users ranked per s | epochs "
        "| peak memory, MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| A\\|B | 2 | 11.5 ± {sd:.1f} | - | - | 8 ± 1 | - |",
        "| one | 1 | - | 0.250 | - | 4 | - |",
    ]
