"""The tables in LaTeX: what is bold, underlined, or must be escaped."""

import polars as pl
import pytest

from micrec_pyg.grid import Titled
from micrec_pyg.report.collect import COLUMNS
from micrec_pyg.report.latex import escaped, latex, latex_of_texts
from micrec_pyg.report.tables import sheets

VALUES = {
    # label: values of two seeds in domain a, one value in domain b
    "first": ([0.5, 0.6], 0.4),
    "second_one": ([0.4, 0.5], 0.4),
    "third": ([0.1, 0.2], 0.3),
}


def _latex(values: dict[str, tuple[list[float], float]]) -> str:
    same = {"dataset": "toy_1", "split": "random", "part": "test", "group": "all"}
    rows = [
        {**same, "label": label, "seed": seed, "domain": domain, "metric": "ndcg@20"}
        | {"value": value}
        for label, (ours, theirs) in values.items()
        for domain, own in (("a", ours), ("b", [theirs] * len(ours)))
        for seed, value in enumerate(own)
    ]
    results = pl.DataFrame(rows, schema_overrides=dict(COLUMNS))
    options = {"metrics": ["ndcg@20"], "groups": ["all"], "names": {}}
    return latex(sheets(results, tuning="100 % of none", **options))


def _cells(text: str, label: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"{label} &"))
    return line.removesuffix(r" \\").split(" & ")


def test_best_is_bold_second_underlined_and_a_tie_neither() -> None:
    text = _latex(VALUES)
    first, second = _cells(text, "first"), _cells(text, r"second\_one")
    assert first[1] == r"\textbf{0.5500 $\pm$ 0.0707}"
    assert second[1] == r"\underline{0.4500 $\pm$ 0.0707}"
    # both have 0.4 in domain b: no best, and nobody is second behind two
    assert first[2] == second[2] == r"0.4000 $\pm$ 0.0000"
    assert _cells(text, "third")[1:3] == [
        r"0.1500 $\pm$ 0.0707",
        r"0.3000 $\pm$ 0.0000",
    ]
    assert first[-1] == "2"


def test_two_seconds_are_not_underlined() -> None:
    text = _latex({**VALUES, "third": ([0.4, 0.5], 0.3)})
    assert _cells(text, "third")[1] == r"0.4500 $\pm$ 0.0707"
    assert r"\textbf{0.5500" in text
    assert r"\underline{0.45" not in text


def test_head_has_rules_and_domains() -> None:
    lines = _latex(VALUES).splitlines()
    assert r"\begin{tabular}{lrrrr}" in lines
    assert [line for line in lines if line.endswith("rule")] == [
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
    ]
    over = [rf"\multicolumn{{1}}{{c}}{{{d}}}" for d in ("a", "b", "average")]
    assert f" & {' & '.join(over)} &  \\\\" in lines
    assert r"Model & NDCG@20 & NDCG@20 & NDCG@20 & Seeds \\" in lines
    caption = next(line for line in lines if line.startswith(r"\caption"))
    assert r"toy\_1, split random, group all." in caption
    assert r"100 \% of none" in caption
    assert r"\label{tab:toy-1-random-all}" in lines


def test_no_two_tables_share_a_label() -> None:
    tables = [Titled(title, [["a"], ["b"]]) for title in ("a b", "a-b", "a b")]
    lines = latex_of_texts(tables, "t").splitlines()
    assert [line for line in lines if line.startswith(r"\label")] == [
        r"\label{tab:t-a-b}",
        r"\label{tab:t-a-b-2}",
        r"\label{tab:t-a-b}",
    ]


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("50% & a_b #1 $x$", r"50\% \& a\_b \#1 \$x\$"),
        ("a^b ~ †", r"a\textasciicircum{}b \textasciitilde{} $^\dagger$"),
        ("one\ntwo", "one two"),
    ],
)
def test_names_cannot_command_latex(given: str, printed: str) -> None:
    assert escaped(given) == printed


def test_a_table_of_texts_keeps_its_cells_and_its_note() -> None:
    rows = [["model", "0 edges"], ["50 % & more", "0.1000 ± 0.0100"]]
    table = Titled("new_users, A", rows, right=[1], note="7 users.")
    assert latex_of_texts([table], "support").splitlines()[2:] == [
        r"\begin{table}",
        r"\centering",
        r"\caption{new\_users, A. 7 users.}",
        r"\label{tab:support-new-users-A}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"model & 0 edges \\",
        r"\midrule",
        r"50 \% \& more & 0.1000 $\pm$ 0.0100 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
