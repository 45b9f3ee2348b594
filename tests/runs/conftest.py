"""The command line and a small run, as the tests of the commands have them."""

from cli.conftest import _trained, data_root, micrec, ready, runs, small

__all__ = ["_trained", "data_root", "micrec", "ready", "runs", "small"]
