"""Signatures are checked while tests run, shapes of tensors among them."""

from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from jaxtyping import Bool, Float, Int
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


def square(x: Float[Tensor, "n n"]) -> Float[Tensor, " n"]:
    return x[0]


def either(
    x: Float[Tensor, "n n"] | Float[Tensor, "k n"], y: Int[Tensor, " n"]
) -> Tensor:
    return x[:, y]


def listed(x: Float[Tensor, "_ 3"], *masks: Bool[Tensor, "..."]) -> None:
    assert masks or len(x)


FLOATS, WHOLE = torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("function", "good", "wrong"),
    [
        (square, (torch.zeros(2, 2),), [(FLOATS,), (torch.zeros(2, 2, 2),)]),
        (either, (FLOATS, WHOLE), [(FLOATS, WHOLE[:2]), (FLOATS, FLOATS[0])]),
        (listed, (FLOATS, WHOLE > 0), [(FLOATS[:, :2],), (FLOATS, WHOLE), (WHOLE,)]),
    ],
)
def test_it_is_as_strict_with_a_tensor_as_with_the_first(function, good, wrong) -> None:
    checked = lightly_typed(function, typechecker=check)
    for _ in range(3):
        checked(*good)
        for arguments in wrong:
            with pytest.raises(TypeError):
                checked(*arguments)


def test_a_function_inside_of_another_is_checked_as_itself() -> None:
    def adder(more: int):
        @partial(lightly_typed, typechecker=check)
        def add(x: Float[Tensor, " n"], y: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
            return (x + y + more)[: more + 1]

        return add

    one, two = adder(1), adder(2)
    assert one(TWO, TWO).tolist() == [1, 1]
    assert two(TWO, TWO).tolist() == [2, 2]
    for wrong in ((TWO, ONE), (TWO, 2)):
        with pytest.raises(TypeError):
            one(*wrong)
    with pytest.raises(TypeError):  # of its own result
        adder(0)(TWO, TWO)
