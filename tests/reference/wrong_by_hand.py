"""Wrong data sets written by hand, and what their refusals must say."""

import io
import json
from collections.abc import Iterator

import polars as pl
from reference import wrong_texts
from reference.malformed import ROWS, Wrong, csv, tsv


def by_hand() -> list[Wrong]:
    """Return the wrong data sets that were written by hand."""
    kinds = (
        *wrong_texts.KINDS,
        _jsons,
        _json_ids,
        _parquets,
        _vectors,
        _folders,
        _options,
    )
    return [wrong for kind in kinds for wrong in kind()]


def _jsons() -> Iterator[Wrong]:
    """Yield JSON lines that are none."""
    good = '{"user": "u", "item": "i", "rating": 5}'
    for name, line, fault in (
        ("cut off", '{"user": "u", "item": "i", "ra', "line 2: not a JSON object"),
        ("list", '["u", "i", 5]', "line 2: not a JSON object but"),
        ("number", "17", "line 2: not a JSON object but"),
        ("two objects", good + good, "line 2: not a JSON object"),
        ("single quotes", good.replace('"', "'"), "line 2: not a JSON object"),
        ("a comma after it", good + ",", "line 2: not a JSON object"),
        ("NaN", good.replace("5", "NaN"), "line 2, column 'rating': got nan"),
        ("nested user", good.replace('"u"', '{"id": 1}'), "line 2, column 'user'"),
        ("list item", good.replace('"i"', '["i"]'), "line 2, column 'item'"),
        ("deep", '{"user": ' + "[" * 5000, "line 2"),
        ("no user", '{"item": "j", "rating": 1}', "line 2, column 'user'"),
        ("null item", good.replace('"i"', "null"), "line 2, column 'item'"),
        ("text rating", good.replace("5", '"x"'), "line 2, column 'rating'"),
        ("true rating", good.replace("5", "true"), "line 2, column 'rating'"),
    ):
        files = {"interactions.jsonl": f"{good}\n{line}\n".encode()}
        yield Wrong(f"json {name}", files, fault)
    array = json.dumps(ROWS, indent=1).encode()
    yield Wrong(
        "json array", {"interactions.jsonl": array}, "line 1: not a JSON object"
    )
    floats = b"\n".join(
        b'{"user": %s, "item": "i", "rating": 5}' % n for n in (b"1.0", b"2.0")
    )
    yield Wrong("json decimal users", {"interactions.jsonl": floats}, "type Float64")
    nothing = {"interactions.jsonl": b"{}\n"}
    yield Wrong("json empty object", nothing, "interactions.jsonl")


def _json_ids() -> Iterator[Wrong]:
    """Yield ids that are decimals or booleans, beside others that are texts."""
    rows = (
        b'{"uid": 1, "item": "i"}',
        b'{"uid": "u", "item": "i"}',
        b'{"uid": 1.5, "item": "i"}',
    )
    yield Wrong(
        "json decimal user beside texts",
        {"interactions.jsonl": b"\n".join(rows)},
        "line 3, column 'uid': got '1.5'",
        {"columns": {"user": "uid"}, "rating_min": None},
    )
    items = {**_frame(), "items.jsonl": b'{"sku": "i"}\n{"sku": true}'}
    yield Wrong("json boolean item", items, "line 2, column 'item': got 'true'")
    facts = (
        b'{"sku": "i", "relation": "r", "entity": "e"}',
        b'{"sku": 1.5, "relation": "r", "entity": "e"}',
    )
    files = {**_frame(), "kg.jsonl": b"\n".join(facts)}
    yield Wrong("json decimal in facts", files, "line 2, column 'item': got '1.5'")


def _frame(**columns: object) -> dict[str, bytes]:
    """Return good rows of a Parquet file with some columns replaced."""
    whole = {"user": ["u", "v"], "item": ["i", "j"], "rating": [5, 4], **columns}
    out = io.BytesIO()
    pl.DataFrame({k: v for k, v in whole.items() if v is not None}).write_parquet(out)
    return {"interactions.parquet": out.getvalue()}


def _parquets() -> Iterator[Wrong]:
    """Yield Parquet files that are none, or that have other types."""
    good = _frame()["interactions.parquet"]
    for name, data in (
        ("text", b"user,item\nu,i\n"),
        ("cut off", good[:-10]),
        ("half", good[: len(good) // 2]),
        ("no head", good[4:]),
        ("magic alone", b"PAR1"),
        ("magic twice", b"PAR1PAR1"),
        ("zeros", bytes(200)),
    ):
        files = {"interactions.parquet": data}
        yield Wrong(f"parquet {name}", files, "not a readable parquet table")
    for name, columns, fault in (
        ("decimal users", {"user": [1.0, 2.0]}, "'user': .*Float64.*pandas"),
        ("list users", {"user": [["a"], ["b"]]}, "'user': .*List"),
        ("bytes users", {"user": [b"\xff", b"b"]}, "'user': .*Binary"),
        ("true users", {"user": [True, False]}, "'user': .*Boolean"),
        ("null user", {"user": ["u", None]}, "row 2, column 'user': got an empty"),
        ("negative user", {"user": [3, -1]}, "row 2, column 'user': got '-1'"),
        ("no user at all", {"user": [None, None]}, "row 1, column 'user'"),
        ("nan rating", {"rating": [5.0, float("nan")]}, "row 2, column 'rating'"),
        ("null rating", {"rating": [5, None]}, "row 2, column 'rating'"),
        ("list rating", {"rating": [[5], [4]]}, "'rating': .*List"),
        ("missing rating", {"rating": None}, "column rating is missing"),
        ("list time", {"timestamp": [[5], [4]]}, "'timestamp': .*List"),
        ("null time", {"timestamp": [5, None]}, "row 2, column 'timestamp'"),
        ("label 9", {"x_label": [0, 9]}, "row 2, column 'x_label': got 9"),
    ):
        yield Wrong(f"parquet {name}", _frame(**columns), fault)


def _vectors() -> Iterator[Wrong]:
    """Yield precomputed features that cannot be."""
    for name, items, vectors, fault in (
        ("widths", ["i", "j"], [[1.0, 2.0], [3.0]], r"widths \[1, 2\]"),
        ("nan", ["i", "j"], [[1.0], [float("nan")]], "row 2.*not finite"),
        ("infinite", ["i", "j"], [[1.0], [float("inf")]], "row 2.*not finite"),
        ("too large", ["i", "j"], [[1.0], [1e300]], "row 2.*not finite"),
        ("null inside", ["i", "j"], [[1.0], [None]], "row 2.*not finite"),
        ("no width", ["i", "j"], [[], []], "list of numbers"),
        ("twice", ["i", "i"], [[1.0], [2.0]], "several vectors"),
        ("texts", ["i", "j"], [["a"], ["b"]], "list of numbers"),
        ("numbers", ["i", "j"], [1.0, 2.0], "list of numbers"),
        ("no item", [None, "j"], [[1.0], [2.0]], "row 1, column 'item'"),
    ):
        out = io.BytesIO()
        pl.DataFrame({"item": items, "vector": vectors}, strict=False).write_parquet(
            out
        )
        files = {**tsv("u\ti\t5"), "audio.parquet": out.getvalue()}
        yield Wrong(f"vectors {name}", files, f"audio.parquet.*{fault}")
    for name, columns in (
        ("no vector", {"item": ["i"]}),
        ("no id", {"vector": [[1.0]]}),
    ):
        out = io.BytesIO()
        pl.DataFrame(columns).write_parquet(out)
        files = {**tsv("u\ti\t5"), "audio.parquet": out.getvalue()}
        yield Wrong(f"vectors {name}", files, "audio.parquet.*is missing")


def _folders() -> Iterator[Wrong]:
    """Yield folders in which files are missing or there are too many."""
    good = tsv("u\ti\t5")
    yield Wrong("nothing", {"notes.txt": b""}, "no domain found")
    yield Wrong("items alone", {"items.tsv": b"item\ni\n"}, "no domain found")
    both = {**good, **csv("user,item,rating\nu,i,5\n")}
    yield Wrong("two tables", both, "only one interactions table")
    items = {**good, "items.tsv": b"item\ni\n", "items.jsonl": b'{"item": "i"}\n'}
    yield Wrong("two items tables", items, "only one items table")
    yield Wrong("folder as table", {"interactions.tsv/x": b""}, "cannot be read")
    images = {**good, "images/i.jpg": b"", "images/i.png": b""}
    yield Wrong("two images", images, "i.jpg, i.png show one item")
    yield Wrong("file as images", {**good, "images": b""}, "a folder of image files")


def _options() -> Iterator[Wrong]:
    """Yield options that do not fit the data."""
    good = tsv("u\ti\t5", "u\tj\t1")
    error = {"duplicates": "error"}
    yield Wrong("duplicates", tsv("u\ti\t5", "u\ti\t4"), "more than once", error)
    high = {"rating_min": 9}
    yield Wrong("all below", good, "no interaction is left of 2", high)
    text = {"text_fields": ["name"]}
    yield Wrong("no such text", good, "text field name", text)
    unknown = {"columns": {"user": "uid"}}
    yield Wrong("mapped away", tsv("u\ti", header="usr\titem"), "uid", unknown)
    window = {"filters": {"time_from": "2016-01-01"}}
    yield Wrong("window without times", good, "need a column timestamp", window)
    core = {"filters": {"user_core": 3}}
    yield Wrong("core of nobody", good, "no interaction is left", core)
    link = {"links": ["who.tsv"]}
    yield Wrong("links missing", good, "who.tsv: it cannot be read", link)
    split = {"split_by": {"field": "x", "sep": None, "domains": {"A": ["y"]}}}
    yield Wrong("no such field", good, "split_by field 'x'", split)
