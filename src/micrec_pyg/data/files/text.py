"""The plain text of a table, checked before it is parsed.

Encoding, line ends, quoting and the number of fields per line: what a parser would
refuse without naming the line, or accept and read wrongly.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import dropwhile, islice
from pathlib import Path

import numpy as np
from jaxtyping import Int

from micrec_pyg.data.files.compressed import open_lines
from micrec_pyg.data.files.line_blocks import blocks
from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.data.files.table_names import kind_of

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_FIELD = 2**24
_FIELD = r'(?:"(?:[^"]++|"")*+"|[^",]*+)'
_RECORD = re.compile(f"{_FIELD}(?:,{_FIELD})*+")
_LINE = ord("\n")


def check_text(path: Path, problems: Problems) -> bool:
    """Return whether a TSV, CSV or JSONL file can be parsed; note what is wrong.

    Files of any other ending are read as TSV.

    One pass in blocks of bounded size, without a loop over lines; a CSV file with
    quotes needs a second one, line by line.
    """
    before = problems.errors
    quotes, total = False, 0
    ragged: list[tuple[int, int]] = []
    separator = b"," if kind_of(path) == ".csv" else b"\t"
    width: int | None = None
    for first_line, block in blocks(path):
        if first_line == 1 and not _readable(path, block, problems):
            return False
        _check_encoding(path, block, first_line, problems)
        if kind_of(path) == ".jsonl":
            continue
        quotes = quotes or b'"' in block
        counts, filled = _separators(block, separator)
        width = int(counts[0]) if width is None else width
        wrong = np.flatnonzero(filled & (counts != width))
        total += len(wrong)
        some = wrong[: problems.wanted - len(ragged)]
        ragged += [(first_line + int(i), int(counts[i]) + 1) for i in some]
    if problems.errors > before or kind_of(path) == ".jsonl":
        return problems.errors == before
    if quotes and kind_of(path) == ".csv":
        _check_quoted(path, problems)
    elif ragged:
        faults = [_ragged(path, *each, (width or 0) + 1) for each in ragged]
        problems.add_rows(faults, total)
    return problems.errors == before


def blank_rows(path: Path) -> Int[np.ndarray, " rows"]:
    """Return which rows below the header of a TSV or CSV table are blank lines."""
    found, quotes = [], False
    for first_line, block in blocks(path):
        quotes = quotes or b'"' in block
        _, filled = _separators(block, b",")
        found.append(np.flatnonzero(~filled) + first_line - 2)
    if quotes and kind_of(path) == ".csv":
        # a record may be several lines
        records = dropwhile(lambda each: not each[1], _records(path))
        rows = (not fields for _, fields, _ in islice(records, 1, None))
        return np.flatnonzero(np.fromiter(rows, bool))
    return np.concatenate(found)


def first_lines(path: Path, rows: Sequence[int]) -> list[int]:
    """Return the lines in which rows below the header of a TSV or CSV table begin.

    The file itself is asked: a quoted field that holds line breaks may stand in a row
    or column that was left out after reading.
    """
    quotes = kind_of(path) == ".csv" and any(b'"' in block for _, block in blocks(path))
    if not quotes:
        return [row + 2 for row in rows]
    ends = islice((end for end, _, _ in _records(path)), 1 + max(rows, default=0))
    begins = [end + 1 for end in ends]
    return [begins[row] for row in rows]


def _readable(path: Path, block: bytes, problems: Problems) -> bool:
    """Return whether the beginning of a file looks like UTF-8 text with lines."""
    fault, mend = "", "save it as UTF-8"
    if block.startswith(_UTF16):
        fault = "it is UTF-16 text, needed: UTF-8"
    elif b"\0" in block[:1024] and kind_of(path) != ".jsonl" and b"\n" not in block:
        fault = "it is not text"
    elif b"\r" in block and b"\n" not in block:
        fault = "its lines end in a carriage return alone, needed: line feeds"
        mend = "save it with Unix or Windows line ends"
    elif not block.strip():
        fault, mend = "it has blank lines alone", "write a header and rows"
    if fault:
        problems.add(Problem(path, fault, mend, place="line 1"))
    return not fault


def _check_encoding(path: Path, block: bytes, line: int, problems: Problems) -> None:
    """Note lines with bytes that are no UTF-8 text, and with NUL characters."""
    if b"\0" not in block:
        try:
            block.decode("utf-8")
            return
        except UnicodeDecodeError:
            pass  # which lines, is found below
    for number, content in enumerate(block.split(b"\n"), start=line):
        try:
            content.decode("utf-8")
            at = content.find(b"\0")
            fault = "holds a NUL character" if at >= 0 else ""
        except UnicodeDecodeError as error:
            at = error.start
            fault = f"byte 0x{content[at]:02x} is not UTF-8 text"
        if fault:
            problems.add(
                Problem(
                    path,
                    f"{fault} (byte {at + 1} of the line)",
                    "the file may be in Latin-1 or damaged: save it as UTF-8",
                    place=f"line {number}",
                )
            )


def _separators(
    block: bytes, separator: bytes
) -> tuple[Int[np.ndarray, " lines"], np.ndarray]:
    """Return how many separators each line has, and whether it has any content."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == _LINE)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    at = np.flatnonzero(data == separator[0])
    counts = np.diff(np.searchsorted(at, ends), prepend=0)
    # a line of nothing, or of the carriage return of a Windows line end
    blank = (ends - starts == 0) | ((ends - starts == 1) & (data[starts] == ord("\r")))
    return counts, ~blank


def _ragged(path: Path, line: int, fields: int, width: int) -> Problem:
    """Return the problem of a line with another number of fields than the header."""
    short = "the file may be cut off, or " if fields < width else ""
    kind = "an unquoted comma" if kind_of(path) == ".csv" else "a tab"
    long = f"{kind} may stand inside a field, or " if fields > width else ""
    return Problem(
        path,
        f"got {fields} field{'s' * (fields != 1)}, the header has {width}",
        f"{short}{long}the header is wrong: write {width} fields in every "
        "line; what stands in its cells is checked after that",
        place=f"line {line}",
    )


def _check_quoted(path: Path, problems: Problems) -> None:
    """Note lines of a CSV file with wrong quotes or a wrong number of fields."""
    width, begin = 0, 1
    try:
        for end, fields, text in _records(path):
            width = width or len(fields)
            if not _RECORD.fullmatch(text.rstrip("\r\n")):
                why = "a quote in a field that does not begin with one"
                problems.add(_quotes(path, begin, why))
            elif fields and len(fields) != width:
                problems.add(_ragged(path, begin, len(fields), width))
            begin = end + 1
    except csv.Error as error:
        problems.add(_quotes(path, begin, str(error)))


def _records(path: Path) -> Iterator[tuple[int, list[str], str]]:
    """Yield the last line, the fields and the text of every record of a CSV file."""
    lines: list[str] = []

    def noted(file: Iterable[str]) -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line

    previous = csv.field_size_limit(_MAX_FIELD)
    try:
        with open_lines(path, newline="") as file:
            reader = csv.reader(noted(file), strict=True)
            for fields in reader:
                yield reader.line_num, fields, "".join(lines)
                lines.clear()
    finally:
        csv.field_size_limit(previous)


def _quotes(path: Path, line: int, why: str) -> Problem:
    """Return the problem of a record with wrong quotes."""
    return Problem(
        path,
        f"the quotes are wrong ({why})",
        'put fields with a comma or quote into "...", and write a quote inside them '
        'twice: ""',
        place=f"line {line}",
    )
