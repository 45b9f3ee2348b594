"""Item content -> vectors: encoders, their cache, and masks of what is missing.

``conf/features/*.yaml`` calls ``make_features``, with an encoder per modality.
"""

from micrec_pyg.features.encoder import Encoder
from micrec_pyg.features.image import EfficientNetLite0, OpenClip
from micrec_pyg.features.knowledge_graph import KnowledgeGraph
from micrec_pyg.features.pipeline import make_features
from micrec_pyg.features.text import SentenceBert

__all__ = [
    "EfficientNetLite0",
    "Encoder",
    "KnowledgeGraph",
    "OpenClip",
    "SentenceBert",
    "make_features",
]
