"""``micrec data export``: a data set out of the house, and in again."""

import pytest


@pytest.fixture
def shop(tmp_path):
    for domain in ("food", "kitchen"):
        folder = tmp_path / "shop" / domain
        folder.mkdir(parents=True)
        rows = f"user\titem\ttimestamp\nu1\t{domain}1\t7\nu2\t{domain}1\t8\n"
        (folder / "interactions.tsv").write_text(rows)
        (folder / "items.tsv").write_text(f"item\ttitle\n{domain}1\tOne\n{domain}2\t\n")
    return tmp_path / "shop"


def test_files_of_every_domain_that_data_recbole_reads(
    micrec, shop, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("MICREC_DATA", str(tmp_path / "data"))
    out = tmp_path / "out"
    assert micrec("data", "export", "recbole", str(shop), str(out)) == 0
    assert capsys.readouterr().out == f"{out}/food: complete\n{out}/kitchen: complete\n"
    assert (out / "food/food.inter").read_text() == (
        "user_id:token\titem_id:token\ttimestamp:float\nu1\tfood1\t7\nu2\tfood1\t8\n"
    )
    assert (out / "food/food.item").read_text() == (
        "item_id:token\ttext:token_seq\nfood1\tOne\nfood2\t\n"
    )
    assert micrec("data", "stats", "data=recbole", f"data.path={out}") == 0
    stats = capsys.readouterr().out
    assert "food" in stats
    assert "kitchen" in stats


def test_settings_and_refusals(micrec, shop, tmp_path, capsys):
    out = tmp_path / "out"
    keys = ["data=tables", f"data.path={shop}", "data.domains=[food]"]
    assert micrec("data", "export", "recbole", *keys, str(out)) == 0
    assert [path.name for path in out.iterdir()] == ["food"]
    capsys.readouterr()
    assert micrec("data", "export", "recbole", *keys, str(out)) == 2
    assert "exists already" in capsys.readouterr().err
