"""Results as one page that needs no network: tables that sort, charts that answer.

Needs the optional packages of ``pip install 'micrec-pyg[html]'``.
"""

from importlib.util import find_spec

from micrec_pyg.schema import InputError

PACKAGES = ("altair", "jinja2", "vl_convert")


def check_packages() -> None:
    """Refuse to begin without the optional packages.

    Raises:
        InputError: One is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"the page needs {', '.join(missing)}; install them: "
            "pip install 'micrec-pyg[html]'"
        )
