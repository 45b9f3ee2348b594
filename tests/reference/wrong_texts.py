"""Wrong text files written by hand, and what their refusals must say."""

from collections.abc import Iterator

from reference.malformed import ROWS, SUFFIXES, Wrong, content, csv, tsv

TIMES = (
    "|yesterday|2016-13-01|2016-02-30|31/12/2016|-1|-86400|4102444801|nan|0000-00-00"
    "|99999999999999999999|2016-05-31 25:00:00|1889-01-01|2200-01-01"
)


def _encodings() -> Iterator[Wrong]:
    """Yield files that are empty or no UTF-8 text."""
    for suffix in SUFFIXES:
        yield Wrong(f"empty {suffix}", {f"interactions.{suffix}": b""}, "is empty")
    for suffix in ("tsv", "csv", "jsonl"):
        blank = {f"interactions.{suffix}": b"\n\n \n"}
        yield Wrong(f"blank {suffix}", blank, "blank lines alone")
        name = f"interactions.{suffix}"
        text = content(ROWS, suffix)
        utf16 = {name: text.decode().encode("utf-16")}
        yield Wrong(f"utf-16 {suffix}", utf16, "line 1: it is UTF-16")
        latin = {name: text.replace(b"u3", "\u00fc3".encode("latin-1"))}
        line = 4 if suffix == "jsonl" else 5
        yield Wrong(f"latin-1 {suffix}", latin, f"line {line}: byte 0xfc is not UTF-8")
        nul = {name: text.replace(b"u3", b"u\0")}
        yield Wrong(f"NUL {suffix}", nul, f"line {line}: holds a NUL")


def _lines() -> Iterator[Wrong]:
    """Yield lines with too few or too many fields, and wrong quotes."""
    good = "u\ti\t5"
    for line, fields in (("u", 1), ("u\ti", 2), ("u\ti\t5\t6", 4), ("u\ti\t5\t\t", 5)):
        fault = f"line 3: got {fields} field{'s' * (fields > 1)}, the header has 3"
        yield Wrong(f"{fields} fields in tsv", tsv(good, line), fault)
        text = f"user,item,rating\nu,i,5\n{line.replace(chr(9), ',')}\n"
        yield Wrong(f"{fields} fields in csv", csv(text), fault)
        quoted = text.replace("u,i,5", '"u","i, j",5')
        yield Wrong(f"{fields} fields in quoted csv", csv(quoted), fault)
    head = "user,item,rating\n"
    for name, row, line in (
        ("never closed", '"u,i,5\nv,j,4\n', 2),
        ("closed too early", 'u,i,5\nv,"j"k,4\n', 3),
        ("cut off", 'u,i,5\nv,j,"4', 3),
        ("inside a field", 'u,i,5\nv,j"k,4\n', 3),
        ("never closed later", 'u,i,5\nv,j,4\n"w,k,3\nx,l,2\n', 4),
    ):
        fault = f"line {line}: the quotes are wrong"
        yield Wrong(f"quote {name}", csv(head + row), fault)


def _headers() -> Iterator[Wrong]:
    """Yield other delimiters, line ends and names of columns."""
    good = "u\ti\t5"
    plain = "user\titem\trating\nu\ti\t5\n"
    for name, delimiter in ((";", "semicolons"), (",", "commas"), ("|", "bars")):
        text = {"interactions.tsv": plain.replace("\t", name).encode()}
        yield Wrong(f"{delimiter} in tsv", text, f"separated by {delimiter}")
    for name, delimiter in ((";", "semicolons"), ("\t", "tabs")):
        text = csv(plain.replace("\t", name))
        yield Wrong(f"{delimiter} in csv", text, f"separated by {delimiter}")
    quoted = tsv('"u"\t"i"\t"5"', header='"user"\t"item"\t"rating"')
    yield Wrong("quoted tsv", quoted, "a TSV file has no quotes")
    mac = {"interactions.tsv": plain.replace("\n", "\r").encode()}
    yield Wrong("old Mac line ends", mac, "carriage return alone")
    yield Wrong("header alone", tsv(), "its interactions have no rows; add some")
    yield Wrong(
        "no header", tsv(good, header="v\tj\t4"), "found: v, j, 4; needed: user"
    )
    twice = tsv("u\ti\t5\t6", header="user\titem\trating\trating")
    yield Wrong("column twice in tsv", twice, "rating is there twice")
    twice = csv("user,item,user,rating\nu,i,v,5\n")
    yield Wrong("column twice in csv", twice, "user is there twice")
    for header, missing in (
        ("user\tthing\trating", "item"),
        ("usr\titem\trating", "user"),
        ("user\titem\tgrade", "rating"),
    ):
        found = header.replace("\t", ", ")
        fault = f"line 1: column {missing} is missing; found: {found}"
        yield Wrong(f"{missing} missing", tsv(good, header=header), fault)
    two = tsv("u\tv\ti\t5", header="userId\tuser_id\titem\trating")
    yield Wrong("two users", two, "userId, user_id may all be the user")


def _ids() -> Iterator[Wrong]:
    """Yield ids that are none."""
    good = "u\ti\t5"
    for column, place in (("user", 0), ("item", 1)):
        for value in ("", "nan", "NaN", "NULL", "None", "<NA>", "\\N", "-1", " -17"):
            cells = good.split("\t")
            cells[place] = value
            files = tsv(good, "\t".join(cells), good)
            yield Wrong(f"{column} {value!r}", files, f"line 3, column '{column}': got")
        long = good.split("\t")
        long[place] = "x" * 513
        fault = f"line 2, column '{column}'.*at most 512 bytes"
        yield Wrong(f"long {column}", tsv("\t".join(long)), fault)
    swallowed = csv('user,item,rating\n"u\nv",i,5\nw,j,4\n')
    yield Wrong("line break in id", swallowed, "line 2, column 'user'.*one line")


def _cells() -> Iterator[Wrong]:
    """Yield numbers and times that cannot be."""
    good = "u\ti\t5"
    for value in (
        "",
        "x",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "4,5",
        "four",
        "1e999",
        "5 stars",
    ):
        files = tsv(good, f"u\tj\t{value}")
        fault = "line 3, column 'rating': got .* a number is needed"
        yield Wrong(f"rating {value!r}", files, fault)
    for value in TIMES.split("|"):
        header = "user\titem\trating\ttimestamp"
        files = tsv("u\ti\t5\t1400000000", f"u\tj\t5\t{value}", header=header)
        fault = "line 3, column 'timestamp': got"
        yield Wrong(f"timestamp {value!r}", files, fault)
    for value in ("", "x", "1.5e400", "2016-05-31"):
        header = "user\titem\trating\torder"
        files = tsv("u\ti\t5\t1", f"u\tj\t5\t{value}", header=header)
        yield Wrong(f"order {value!r}", files, "line 3, column 'order': got")
    for value in ("", "3", "-1", "train", "7"):
        header = "user\titem\trating\tx_label"
        files = tsv("u\ti\t5\t0", f"u\tj\t5\t{value}", header=header)
        yield Wrong(f"x_label {value!r}", files, "line 3, column 'x_label': got")


def _items() -> Iterator[Wrong]:
    """Yield items tables that cannot be."""
    good = "u\ti\t5"
    for name, text, fault in (
        ("item twice", "item\ttitle\ni\ta\nj\tb\ni\tc\n", "line 4.*listed before"),
        ("item empty", "item\ttitle\ni\ta\n\tb\n", "line 3.*an id is needed"),
        ("item nan", "item\ttitle\ni\ta\nnan\tb\n", "line 3.*missing value"),
        ("no item column", "name\ttitle\ni\ta\n", "column item is missing"),
        ("items cut off", "item\ttitle\ni\ta\nj", "line 3: got 1 field,"),
        ("title with a tab", "item\ttitle\ni\ta\tb\n", "line 2: got 3 fields"),
        ("two ids", "asin\tproduct_id\ni\ta\n", "may all be the item"),
        ("empty items", "", "items.tsv: the file is empty"),
    ):
        yield Wrong(name, {**tsv(good), "items.tsv": text.encode()}, fault)


KINDS = (_encodings, _lines, _headers, _ids, _cells, _items)
