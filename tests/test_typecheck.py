"""Signatures are checked while tests run, shapes of tensors among them."""

from typing import TYPE_CHECKING

import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from typecheck import check, lightly_typed

from micrec_pyg.schema import Embeddings

if TYPE_CHECKING:
    import optuna


def test_the_package_is_checked() -> None:
    with pytest.raises(TypeError):
        Embeddings(user=torch.zeros(3), item=torch.zeros(3, 2))
    with pytest.raises(TypeError):  # two widths
        Embeddings(user=torch.zeros(3, 4), item=torch.zeros(3, 2))


def rows(
    x: Float[Tensor, " n"], y: Float[Tensor, " n"], times: int
) -> Float[Tensor, "2 n"]:
    return (x + y).repeat(times, 1)


def counted(x: Float[Tensor, " n"], count: int) -> Float[Tensor, " {count}"]:
    return torch.cat([x, x])


def late(x: Float[Tensor, " n"], y: "optuna.Study | None") -> Float[Tensor, " n"]:
    return torch.cat([x, x]) if y else x


def shown(x: int) -> str:
    return str(x) if x else x  # type: ignore[return-value]


ONE, TWO = torch.zeros(1), torch.zeros(2)


@pytest.mark.parametrize(
    ("function", "good", "wrong"),
    [
        (rows, (TWO, TWO, 2), [(TWO, ONE, 2), (TWO, 2, 2), (TWO, TWO, 3)]),
        (counted, (TWO, 4), [(TWO, 3), (TWO, "4"), (torch.zeros(2, 2), 4)]),
        (late, (TWO, None), [(TWO, 1), ("two", None)]),
        (shown, (1,), [("1",), (0,)]),
    ],
)
def test_arguments_and_results_however_they_are_written(function, good, wrong) -> None:
    checked = lightly_typed(function, typechecker=check)
    checked(*good)
    for arguments in wrong:
        with pytest.raises(TypeError):
            checked(*arguments)
