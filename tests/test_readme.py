"""What the documentation names exists: files, commands, options, code and tests."""

import ast
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from micrec_pyg.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
PAPER_MAP = (ROOT / "docs" / "paper_map.md").read_text("utf-8")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# A command starts a code span or an indented line; prose may say "make a graph".
COMMAND = re.compile(r"(?:^    |`)(micrec|make) ([a-z]+)([^`\n#]*)", re.MULTILINE)
GROUP = re.compile(r"\b([a-z_]+)=([a-z0-9_/]+)\b")
REFERENCE = re.compile(r"`([\w/]+\.py):([\w.]+)`")


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def commands() -> list[tuple[str, str, str]]:
    return [match for page in PAGES for match in COMMAND.findall(page.read_text())]


def references() -> list[tuple[str, str]]:
    return sorted(set(REFERENCE.findall(PAPER_MAP)))


def names_in(path: Path) -> set[str]:
    """Return functions, classes, methods as Class.method, and constants."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef)
            }
        if isinstance(node, ast.Assign | ast.AnnAssign):
            goals = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {goal.id for goal in goals if isinstance(goal, ast.Name)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = [x for x in LINK.findall(page.read_text("utf-8")) if "://" not in x]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    linked, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in linked or page.suffix != ".md":
            continue
        linked.add(page)
        found = LINK.findall(page.read_text("utf-8"))
        queue += [(page.parent / x).resolve() for x in found if "://" not in x]
    assert set(PAGES) <= linked


def test_commands_exist() -> None:
    known = {"make": targets(), "micrec": set(COMMANDS)}
    found = {(program, name) for program, name, _ in commands()}
    assert {("make", "reproduce"), ("make", "test"), ("micrec", "train")} <= found
    assert {(p, n) for p, n in found if n not in known[p]} == set()


def test_options_of_commands_are_files_of_conf() -> None:
    chosen = {
        (group, option)
        for program, _, rest in commands()
        for group, option in GROUP.findall(rest)
        if program == "micrec" and (ROOT / "conf" / group).is_dir()
    }
    missing = {
        (group, option)
        for group, option in chosen
        if not (ROOT / "conf" / group / f"{option}.yaml").is_file()
    }
    assert ("model", "micrec") in chosen
    # the examples of docs/adding_a_baseline.md, _modality.md and _protocol.md
    missing -= {
        ("model", "association"),
        ("features", "with_audio"),
        ("split", "active_users"),
    }
    assert not missing


def test_folders_of_the_map_exist() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    tree = readme.split("## Where things are")[1].split("\n## ")[0]
    entries = re.findall(r"^    (  )?([\w/]+(?:\.py)?) ", tree, re.MULTILINE)
    assert len(entries) > 10
    for inner, entry in entries:
        folder = ROOT / "src" / "micrec_pyg" if inner else ROOT
        assert (folder / entry).exists(), entry


def test_the_picture_is_well_formed_and_described() -> None:
    picture = ET.parse(ROOT / "docs" / "model.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert picture.tag == f"{space}svg"
    assert picture.findtext(f"{space}title")
    assert picture.findtext(f"{space}desc")


@pytest.mark.parametrize(("file", "name"), references())
def test_the_paper_map_names_what_exists(file: str, name: str) -> None:
    folder = ROOT if file.startswith("tests/") else ROOT / "src" / "micrec_pyg"
    assert (folder / file).is_file()
    assert name in names_in(folder / file)


def test_every_equation_has_code_and_a_test() -> None:
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line in PAPER_MAP.splitlines()
        if line.startswith("| ")
    ]
    rows = [cells for cells in rows if cells[0] != "equation"]
    assert len(rows) > 10
    for equation, code, test, *_ in rows:
        assert REFERENCE.search(code), equation
        assert "`tests/" in test, equation
        assert REFERENCE.search(test), equation
