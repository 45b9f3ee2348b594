"""Make docs/page.png: python tests/serve/screenshot.py NAME=RUN NAME=RUN FILE.

The runs are two of MovieLens, whose titles may be shown; no picture is on the page.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

SEARCH = "/?domain=A&k=10&in.A=50&in.A=172&in.B=1"


def main(names: list[str], target: Path) -> None:
    """Write what the page shows after an item was added, with one reason open."""
    from browser import chromium
    from serve.running import running

    from micrec_pyg.serve.app import make_app
    from micrec_pyg.serve.shelf import Shelf, load_served, names_of

    shelf = Shelf([load_served(name, path) for name, path in names_of(names).items()])
    _, other = (served.name for served in shelf)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(make_app(shelf)) as address,
        chromium(Path(folder) / "profile") as browser,
    ):
        page = f"{address}{SEARCH}&other={other}"
        browser.open(page, width=1180, height=760, dark=False)
        browser.wait_for("document.documentElement.dataset.ready === 'yes'")
        browser.ask("document.querySelectorAll('.card .add')[3].click()")
        browser.wait_for("!!document.querySelector('.move')")
        browser.ask("document.querySelector('[data-do=why]').click()")
        browser.wait_for("!!document.querySelector('.parts')")
        assert browser.complaints() == []
        browser.picture(Path(folder) / "page.png")
        with Image.open(Path(folder) / "page.png") as image:
            image.convert("RGB").save(target, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:-1], Path(sys.argv[-1]))
