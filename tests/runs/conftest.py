"""The command line and a small run, as the tests of the commands have them."""

from cli.conftest import data_root, micrec, runs, small

__all__ = ["data_root", "micrec", "runs", "small"]
