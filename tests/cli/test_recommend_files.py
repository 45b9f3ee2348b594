"""The files of ``micrec recommend``: which domain a row is of, and where a fault is."""

import dataclasses
import io
from pathlib import Path

import polars as pl
import pytest

from micrec_pyg.cli.recommend_files import read_history, read_interactions
from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.schema import InputError

GOLDEN = Path(__file__).parent.parent / "inference" / "golden_format_1"


@pytest.mark.parametrize("read", [read_history, read_interactions])
def test_a_column_domain_counts_where_there_is_one_domain(file, read):
    world = load(GOLDEN)._world
    one = Recommender(
        dataclasses.replace(world, domains={"food": world.domains["food"]})
    )
    path = file("user,item,domain\na,food1,food\nb,food2,\n")
    assert read(one, "food", path)["domain"].to_list() == ["food"] * 2
    path = file("user,item,domain\na,food1,food\nb,food2,kitchen\n")
    said = "line 3, column 'domain': got 'kitchen', needed: one of food"
    with pytest.raises(InputError, match=said):
        read(one, "food", path)
    lists = file('{"user": "a", "item": "food1", "domain": ["food"]}', "a.jsonl")
    with pytest.raises(InputError, match="column 'domain': the column is of type List"):
        read(one, "food", lists)


def test_new_interactions_are_of_the_domain_that_they_name(micrec, file, capsys):
    more = file("user,item,domain\nzoe,kitchen2,kitchen\nzoe,food2,food\n", "more.csv")
    users = file("user\nzoe\n", "users.csv")
    for domain, item in (("food", "food2"), ("kitchen", "kitchen2")):
        command = ["recommend", GOLDEN, "--users", users, "--domain", domain, "-k", 99]
        assert micrec(*command, "--new-interactions", more) == 0
        found = pl.read_csv(io.StringIO(capsys.readouterr().out))
        assert "history" in {*found["reason"]}
        assert item not in {*found["item"]}


def test_a_line_is_that_of_the_file_also_where_a_condition_leaves_rows_out(
    micrec, file, capsys
):
    items = file('item,cat,note\nfood1,a,"x\ny"\nfood99,b,z\n', "items.csv")
    command = ["recommend", GOLDEN, "--all", "--domain", "food", "--items", items]
    assert micrec(*command, "--where", "cat=b") == 2
    assert f"{items}, line 4, column 'item': got 'food99'" in capsys.readouterr().err
