"""Where data comes from: a source per layout of files, each read into catalogues.

``<source>.read(...)`` is what ``conf/data/*.yaml`` calls; ``source.py`` says what a
source is.
"""

from micrec_pyg.data.sources.amazon.reader import Amazon
from micrec_pyg.data.sources.citeulike import CiteULike
from micrec_pyg.data.sources.mmrec import MMRec
from micrec_pyg.data.sources.movielens import MovieLens
from micrec_pyg.data.sources.ngcf import NGCF
from micrec_pyg.data.sources.pyg.reader import HeteroDataFile
from micrec_pyg.data.sources.recbole.reader import RecBole
from micrec_pyg.data.sources.source import OwnFormat, Source, read
from micrec_pyg.data.sources.synthetic.reader import Synthetic
from micrec_pyg.data.sources.tables import Tables

__all__ = [
    "NGCF",
    "Amazon",
    "CiteULike",
    "HeteroDataFile",
    "MMRec",
    "MovieLens",
    "OwnFormat",
    "RecBole",
    "Source",
    "Synthetic",
    "Tables",
    "read",
]
