"""A linear item-to-item model in closed form, over the domains that it is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import one_of
from micrec_pyg.nn.closed_form import ItemWeights
from micrec_pyg.nn.content import Content
from micrec_pyg.nn.design_matrix import DesignMatrix
from micrec_pyg.nn.everybody import Everybody, everybody
from micrec_pyg.nn.histories import Histories
from micrec_pyg.schema import ITEM, USER, DomainSize, Score

FitOn = Annotated[str, one_of("train", "new_items", "graph")]
"""Which edges decide the weights: those of training; also those of new items, for
their own columns; or those of the graphs at hand, for all columns."""

Scale = Callable[[Int[Tensor, " people"]], Float[Tensor, " people"]]
"""Numbers of items to what 1 becomes in such a row."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What weights follow from."""

    pairs: Int[Tensor, "2 edges"]
    added: Int[Tensor, "2 _added"]
    """Pairs of the same people with items that are not fitted."""
    fitted: Bool[Tensor, " items"]
    content: Float[Tensor, "items width"]
    num_people: int
    beside: Sequence[Tensor]
    """As ``ItemToItem.beside`` returns it."""

    def equals(self, other: "Fit") -> bool:
        """Return whether the weights of both are the same."""
        return self.num_people == other.num_people and all(
            mine.device == theirs.device and torch.equal(mine, theirs)
            for mine, theirs in (
                (self.pairs, other.pairs),
                (self.added, other.added),
                (self.fitted, other.fitted),
                (self.content, other.content),
                *zip(self.beside, other.beside, strict=True),
            )
        )


class ItemToItem(nn.Module):
    """Weights between the items of all given domains, a row per person.

    Its state is what it was fitted on, the training pairs, and the whitening of the
    content: the weights follow from them and are never written out.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        ridge: float,
        row_decay: float,
        content: Content | None,
        fit_on: str,
        max_dense: int,
    ) -> None:
        """Name the state, which ``fit`` makes.

        Args:
            sizes: Of the domains.
            ridge: lambda.
            row_decay: tau; a person's row of n items is scaled by n^(-tau / 2), and
                all rows by one factor that keeps the sum of their squares.
            content: Of the items; None leaves it out.
            fit_on: See ``FitOn``.
            max_dense: See ``solver_of``.
        """
        super().__init__()
        self.num_items = {name: sizes[name].num_items for name in sorted(sizes)}
        self.ridge, self.row_decay = ridge, row_decay
        self.num_users = {name: sizes[name].num_users for name in self.num_items}
        self.content, self.fit_on, self.max_dense = content, fit_on, max_dense
        self.pairs: Tensor
        self.register_buffer("pairs", None)
        self.people: Tensor
        self.register_buffer("people", None)
        self._solved: tuple[Fit, ItemWeights] | None = None

    def fit(self, graphs: Mapping[str, HeteroData]) -> None:
        """Remember the pairs of the training graphs, and whiten their content."""
        graphs = {name: graphs[name] for name in self.num_items}
        trained = everybody(graphs)
        self.pairs = trained.pairs
        if self.fit_on == "new_items":
            self.people = torch.cat([trained.row[name] for name in graphs])
        if self.content is not None:
            self.content.fit(graphs)

    def scorer(self, domain: str, graphs: Mapping[str, HeteroData]) -> Score:
        """Return a function of user rows to x B, over the items of the domain.

        x is the row of the person in the graphs at hand, over all domains.

        Args:
            domain: Whose items are scored.
            graphs: At hand, at least of the domains that were fitted.
        """
        graphs = {name: graphs[name] for name in self.num_items}
        now = everybody(graphs)
        pairs, fitted = self._fitted(now, graphs)
        # Rows that are those of the fit need not be solved for.
        same = torch.equal(pairs, now.pairs)
        num_people = now.num_people if same else int(pairs[0].max()) + 1
        scale = _scale_of_rows(pairs, self.row_decay)
        content = self._content(graphs, now.num_items)
        weights = self._weights(
            Fit(
                pairs,
                self._added(now, graphs, fitted),
                fitted,
                content,
                num_people,
                self.beside(graphs),
            ),
            scale,
        )
        history = Histories(
            now.pairs, num_users=now.num_people, num_items=now.num_items
        )
        value = scale(torch.bincount(now.pairs[0], minlength=now.num_people))
        mine, columns = now.row[domain], now.columns[domain]

        def score(user: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
            blocks = mine[user].split(weights.solver.at_once)
            return torch.cat([score_rows(row) for row in blocks])

        def score_rows(row: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
            x = (history.rows(row) * value[row].view(-1, 1)).T.contiguous()
            found = weights.scores_of_fitted(row, x) if same else weights.scores(x)
            return found[columns].T.contiguous()  # torch.cat transposes slowly

        return score

    def _weights(self, fit: Fit, scale: Scale) -> ItemWeights:
        """Return the weights of a fit; those of the last one are kept.

        One ranking asks for every domain, and a search for beta ranks many times: the
        fit is the same, and is solved once. It is compared value by value, so nothing
        can be stale.
        """
        if self._solved is None or not self._solved[0].equals(fit):
            self._solved = None  # two at a time would be twice the memory
            pairs = torch.cat([fit.pairs, fit.added], dim=1)
            pairs = pairs[:, (pairs[0] * len(fit.content) + pairs[1]).argsort()]
            matrix = DesignMatrix.of(
                pairs,
                scale(torch.bincount(fit.pairs[0]))[pairs[0]],
                fit.num_people,
                fit.content,
            )
            self._solved = (fit, self.weights(matrix, fit))
        return self._solved[1]

    def weights(self, rows: DesignMatrix, fit: Fit) -> ItemWeights:
        """Return B, which follows from these alone.

        Args:
            rows: Y.
            fit: Of which Y was made.
        """
        return ItemWeights(rows, fit.fitted, ridge=self.ridge, max_dense=self.max_dense)

    def beside(self, graphs: Mapping[str, HeteroData]) -> list[Tensor]:
        """Return what ``weights`` needs besides; here nothing.

        Args:
            graphs: At hand, of the domains that were fitted.
        """
        return []

    def _fitted(
        self, now: Everybody, graphs: Mapping[str, HeteroData]
    ) -> tuple[Int[Tensor, "2 edges"], Bool[Tensor, " items"]]:
        """Return the pairs of the fit in columns of now, and which items are in it."""
        train_row = torch.cat([graphs[name][ITEM].train_row for name in now.columns])
        seen = train_row >= 0
        if self.fit_on == "graph":
            return now.fit, torch.ones_like(seen)
        column, first = train_row.new_zeros(sum(self.num_items.values())), 0
        for name, columns in now.columns.items():
            rows = graphs[name][ITEM].train_row
            known = (rows >= 0).nonzero().flatten()
            column[first + rows[known]] = known + columns.start
            first += self.num_items[name]
        found = torch.stack([self.pairs[0], column[self.pairs[1]]])
        order = (found[0] * now.num_items + found[1]).argsort()
        return found[:, order], seen

    def _added(
        self,
        now: Everybody,
        graphs: Mapping[str, HeteroData],
        fitted: Bool[Tensor, " items"],
    ) -> Int[Tensor, "2 _added"]:
        """Return who of the fit took items that are not in it, in rows of the fit."""
        if self.fit_on != "new_items":
            return self.pairs[:, :0]
        row, first = self.people.new_full((now.num_people,), -1), 0
        for name in now.columns:
            rows = graphs[name][USER].train_row
            known = rows >= 0
            row[now.row[name][known]] = self.people[first + rows[known]]
            first += self.num_users[name]
        person, item = row[now.fit[0]], now.fit[1]
        added = ~fitted[item] & torch.isin(person, self.pairs[0])
        return torch.stack([person, item])[:, added]

    def _content(
        self, graphs: Mapping[str, HeteroData], num_items: int
    ) -> Float[Tensor, "items width"]:
        if self.content is None:
            return torch.zeros(num_items, 0, device=self.pairs.device)
        vectors = self.content(graphs)
        return torch.cat([vectors[name] for name in graphs])


def _scale_of_rows(pairs: Int[Tensor, "2 edges"], decay: float) -> Scale:
    """Return a function of numbers of items to what 1 becomes in such a row."""
    count = torch.bincount(pairs[0]).float()
    squares = (count[pairs[0]] ** -decay).sum()
    factor = (pairs.shape[1] / squares).sqrt()
    return lambda count: factor * count.clamp(min=1).float() ** (-decay / 2)
