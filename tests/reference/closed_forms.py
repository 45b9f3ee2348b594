"""Linear models in numpy, by the inverse of the item x item matrix and by loops."""

import numpy as np


def whitened(vectors, dim, floor):
    """Return the unit rows of all vectors in their whitened space."""
    mean = sum(vectors) / len(vectors)
    covariance = sum(np.outer(x - mean, x - mean) for x in vectors) / len(vectors)
    values, axes = np.linalg.eigh(covariance)
    order = np.argsort(-values)[:dim]
    columns = [axes[:, k] / np.sqrt(values[k] + floor * np.mean(values)) for k in order]
    rows = [np.array([(x - mean) @ v for v in columns]) for x in vectors]
    return np.array([row / np.sqrt(row @ row) for row in rows])
