"""Link tables: who is who in several domains."""

import polars as pl
import pytest

from micrec_pyg.data.catalogue.link_users import link_users
from micrec_pyg.data.files.problems import Problems
from micrec_pyg.schema import InputError

USERS = {
    "food": pl.Series("user", ["1", "2", "3", "1"]),
    "kitchen": pl.Series("user", ["1", "k2", "k9"]),
    "garden": pl.Series("user", ["g", "1"]),
}


def link(folder, *tables, users=None):
    names = []
    for number, text in enumerate(tables):
        (folder / f"{number}.csv").write_text(text)
        names.append(f"{number}.csv")
    renamed, counts, digest = link_users(users or USERS, names, folder)
    return {k: v.to_list() for k, v in renamed.items()}, counts, digest


def test_only_linked_users_are_one_person(tmp_path):
    renamed, counts, _ = link(tmp_path, "kitchen,food\nk2,2\nk9,1\n")
    assert renamed == {
        "food": ["1", "2", "3", "1"],
        # 1 of kitchen is not 1 of food
        "kitchen": ["kitchen:1", "2", "1"],
        "garden": ["g", "garden:1"],
    }
    assert counts == {"links_of_unknown_users": 0}


def test_links_join_three_domains_over_a_common_one(tmp_path):
    renamed, _, _ = link(tmp_path, "food,kitchen\n3,1\n", "kitchen,garden\n1,g\n")
    assert renamed["food"][2] == renamed["kitchen"][0] == renamed["garden"][0] == "3"
    assert renamed["garden"][1] == "garden:1"


def test_links_of_unknown_users_are_counted(tmp_path):
    renamed, counts, _ = link(tmp_path, "food,kitchen\n2,nobody\nnobody,k2\n1,1\n")
    assert counts == {"links_of_unknown_users": 2}
    assert renamed["kitchen"] == ["1", "k2", "k9"]


def test_the_same_link_twice_is_one_link_and_the_digest_follows_the_content(tmp_path):
    once, _, one = link(tmp_path, "food,kitchen\n2,k2\n")
    twice, _, two = link(tmp_path, "food,kitchen\n2,k2\n2,k2\n")
    assert once == twice
    assert one != two


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        (["food,kitchen\n2,k2\n2,k9\n"], "line 2.*linked to several users of kitchen"),
        (["food,kitchen\n2,k2\n3,k2\n"], "line 2.*linked to several users of food"),
        (["food,cellar\n2,k2\n"], "needed: the names of two of the domains food"),
        (["food\n2\n"], "needed: the names of two"),
        (["food,kitchen\n2,\n"], "line 2, column 'kitchen': got an empty field"),
        (
            ["food,kitchen\n2,k2\n", "kitchen,garden\nk2,g\n", "garden,food\ng,3\n"],
            "'2' and '3' of food the same person",
        ),
    ],
)
def test_conflicts_are_refused(tmp_path, tables, fault):
    with pytest.raises(InputError, match=fault):
        link(tmp_path, *tables)


def test_a_name_that_would_be_two_persons_is_refused(tmp_path):
    users = {
        "a": pl.Series("user", ["1", "b:1"]),
        "b": pl.Series("user", ["1"]),
    }
    with pytest.raises(InputError, match="'b:1' would be two persons"):
        link(tmp_path, "a,b\nb:1,x\n", users=users)


def test_all_conflicts_are_noted_where_problems_are_collected(tmp_path):
    (tmp_path / "w.csv").write_text("food,kitchen\n2,k2\n2,k9\n3,k2\n")
    problems = Problems(limit=10)
    link_users(USERS, ["w.csv", "missing.csv", "w.txt"], tmp_path, problems)
    places = [problem.place for problem in problems.found]
    # user 2 in two rows, user k2 in two rows, and then one person of two users
    assert places[:4] == ["line 2", "line 3", "line 2", "line 4"]
    assert any("cannot be read" in problem.fault for problem in problems.found)
    assert any("must be one of .tsv" in problem.fault for problem in problems.found)
