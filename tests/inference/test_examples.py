"""What a page shows of a few people, against the answers to the same questions."""

import polars as pl

from micrec_pyg.inference.examples import examples_of
from micrec_pyg.inference.recommender import load


def _lengths(rec, domain):
    lengths = {user: len(rec.history(user)[domain]) for user in rec.users(domain)}
    return sorted(n for n in lengths.values() if n), lengths


def test_people_of_three_lengths_with_their_history_and_answers(trained):
    run = trained("model=bpr_mf")
    rec, table = load(run), examples_of(run.path, k=3)
    assert table["domain"].unique(maintain_order=True).to_list() == rec.domains
    for domain in rec.domains:
        rows = table.filter(domain=domain)
        people = rows["user"].unique(maintain_order=True).to_list()
        known, lengths = _lengths(rec, domain)
        expected = [known[int(share * len(known))] for share in (0.1, 0.5, 0.9)]
        assert [lengths[user] for user in people] == expected
        for user in people:
            own = rows.filter(user=user)
            history = own.filter(kind="history")
            assert history["item"].to_list() == rec.history(user)[domain][:3].to_list()
            assert history["rank"].to_list() == [*range(1, len(history) + 1)]
            titles = rec.titles(domain)
            for row in history.iter_rows(named=True):
                (title,) = titles.filter(item=row["item"])["title"]
                assert row["title"] == title
            answers = rec.recommend(users=[user], domain=domain, k=3)
            columns = ["rank", "item", "score", "title", "reason"]
            found = own.filter(kind="recommended").select(columns)
            assert found.equals(
                answers.select(columns).with_columns(
                    pl.col("rank").cast(pl.Int64), pl.col("score").cast(pl.Float64)
                )
            )
