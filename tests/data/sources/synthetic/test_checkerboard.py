"""The data set with a certain answer."""

import pytest
from reference.checkerboard import Checkerboard
from reference.raw import by_item
from reference.reading import READING

from micrec_pyg.data.splits.at_random import ready
from micrec_pyg.schema import InputError


def test_parity_decides_and_the_diagonal_is_withheld(tmp_path):
    size = 8
    catalogues = Checkerboard.read(
        **READING, root=str(tmp_path), size=size, num_domains=3
    )
    assert list(catalogues) == ["d0", "d1", "d2"]
    splits = ready(catalogues)
    for name, catalogue in catalogues.items():
        data = catalogue.interactions
        users, items = data.users.ids.to_list(), data.items.ids.to_list()
        assert sorted(users) == [f"u{n}" for n in range(size)]
        assert sorted(items) == [f"{name}i{n}" for n in range(size)]

        def numbers(edges, users=users, items=items):
            pairs = edges.T.tolist()
            return {(int(users[u][1:]), int(items[i][3:])) for u, i in pairs}

        split = splits[name]
        assert numbers(split.test) == {(n, n) for n in range(size)}
        assert numbers(split.val) == {(n, (n + 2) % size) for n in range(size)}
        every = {(u, i) for u in range(size) for i in range(size) if (u - i) % 2 == 0}
        known = every - numbers(split.test) - numbers(split.val)
        assert numbers(split.train) == known
        assert split.seen_user.all()
        text = list(by_item(catalogue, catalogue.content["text"]).values())
        assert len(set(text)) == 2
        assert text == text[:2] * (size // 2)


@pytest.mark.parametrize(("size", "num_domains"), [(6, 1), (9, 1), (8, 0)])
def test_impossible_sizes_are_refused(tmp_path, size, num_domains):
    with pytest.raises(InputError, match="even size"):
        Checkerboard.read(
            **READING, root=str(tmp_path), size=size, num_domains=num_domains
        )
