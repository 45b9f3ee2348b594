"""Ranked lists and their metrics against PyG's and ranx's own implementations.

Every world has tied scores, users without a hidden item, users with more than k of
them, and cut-offs beyond what is left to recommend.
"""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch_geometric import metrics as pyg

from micrec_pyg.evaluation.metrics import METRICS, accuracy_metrics
from micrec_pyg.evaluation.rank import rank
from micrec_pyg.schema import RankedLists

USERS, ITEMS = 30, 12
KS = [1, 3, 10, 20]

PYG = {
    "recall": pyg.LinkPredRecall,
    "precision": pyg.LinkPredPrecision,
    "ndcg": pyg.LinkPredNDCG,
    "mrr": pyg.LinkPredMRR,
    "map": pyg.LinkPredMAP,
    "hit": pyg.LinkPredHitRatio,
}
RANX = {**{name: name for name in METRICS}, "hit": "hit_rate"}

RANX_SCRIPT = """
import json, sys
from ranx import Qrels, Run, evaluate
truth, run, metrics = json.load(sys.stdin)
found = evaluate(Qrels(truth), Run(run), metrics, return_mean=False)
json.dump({name: values.tolist() for name, values in found.items()}, sys.stdout)
"""


def _ranx(
    truth: dict[str, dict[str, int]], run: dict[str, dict[str, int]], asked: list[str]
) -> dict[str, list[float]]:
    """Return each metric of every user, in the order of their names.

    In a process of its own, because only before its import can numba be told not to
    compile; that would take ten seconds.
    """
    if importlib.util.find_spec("ranx") is None:
        pytest.skip("needs ranx")
    done = subprocess.run(
        [sys.executable, "-c", RANX_SCRIPT],
        input=json.dumps([truth, run, asked]),
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def _world(seed: int) -> tuple[RankedLists, Tensor]:
    """Return ranked lists of 20 of 12 items, and the hidden pairs."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randint(4, (USERS, ITEMS), generator=generator).float()
    draw = torch.rand(USERS, ITEMS, generator=generator)
    share = torch.rand(USERS, 1, generator=generator)
    known, hidden = draw < 0.2, (draw >= 0.2) & (draw < 0.2 + share)
    hidden[:3] = False
    hidden[3] = ~known[3]
    lists = rank(
        lambda user: table[user],
        users=torch.arange(USERS),
        n_id=torch.arange(USERS),
        known=known.nonzero().T,
        k=max(KS),
        candidates=None,
        batch_size=7,
    )
    return lists, hidden.nonzero().T


def test_the_worlds_have_every_case() -> None:
    lists, hidden = _world(0)
    truths = hidden[0].bincount(minlength=USERS)
    assert truths.min() == 0
    assert truths.max() > 3
    assert (lists.item < 0).any(1).all()
    assert (lists.score[:, 2] == lists.score[:, 3]).any()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("name", METRICS)
def test_equals_pyg(name: str, k: int, seed: int) -> None:
    lists, hidden = _world(seed)
    ours = accuracy_metrics(lists, hidden, num_items=ITEMS, ks=[k])[f"{name}@{k}"]
    theirs = PYG[name](k=k)
    # PyG would read a pad (-1) as the last item of the user before
    nothing = ITEMS + torch.arange(k).expand(USERS, -1)
    item = lists.item[:, :k]
    theirs.update(torch.where(item < 0, nothing, item), hidden)
    # it leaves users without truth out of its mean, too
    assert float(ours.nanmean()) == pytest.approx(float(theirs.compute()), abs=1e-6)


def test_equals_ranx_user_by_user() -> None:
    """The users of three worlds are asked about in one go."""
    truth: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, int]] = {}
    ours: dict[str, list[Tensor]] = {}
    relevant = []
    asked = [(name, k) for name in METRICS for k in KS]
    for seed in range(3):
        lists, hidden = _world(seed)
        for user, item in hidden.T.tolist():
            truth.setdefault(f"{seed}-{user:02}", {})[str(item)] = 1
        for user, row in enumerate(lists.item.tolist()):
            # it knows no order among equal scores, so it gets the places
            places = {str(i): -place for place, i in enumerate(row) if i >= 0}
            if f"{seed}-{user:02}" in truth:
                run[f"{seed}-{user:02}"] = places
        count = hidden[0].bincount(minlength=USERS)
        relevant.append(count[count > 0])
        values = accuracy_metrics(lists, hidden, num_items=ITEMS, ks=KS)
        for name, value in values.items():
            assert value[count == 0].isnan().all()
            ours.setdefault(name, []).append(value[count > 0])
    theirs = _ranx(truth, run, [f"{RANX[name]}@{k}" for name, k in asked])
    found = torch.cat(relevant)
    for name, k in asked:
        expected = torch.tensor(theirs[f"{RANX[name]}@{k}"], dtype=torch.float64)
        if name == "map":
            # it divides by |T|, also where no list of k could hold them all
            expected = expected * found / found.clamp(max=k)
        values = torch.cat(ours[f"{name}@{k}"])
        torch.testing.assert_close(values, expected, atol=1e-6, rtol=0)
