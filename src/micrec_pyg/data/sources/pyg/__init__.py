"""Data sets of PyTorch Geometric (``HeteroData``)."""
