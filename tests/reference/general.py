"""Naive numpy readings of general baselines: one pair, one user at a time."""

import numpy as np


def numbers(tensor):
    """Return a tensor as float64."""
    return tensor.detach().double().numpy()


def linear(layer, x):
    """Return W x + b."""
    out = numbers(layer.weight) @ x
    return out if layer.bias is None else out + numbers(layer.bias)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def neumf(match, user, item):
    """Return the logit of one pair of vectors [e, v] (NeuMF eqs. 10 and 12)."""
    half = len(user) // 2
    x = np.concatenate([user[half:], item[half:]])
    for layer in (match.first, *match.rest):
        x = np.maximum(linear(layer, x), 0)
    both = np.concatenate([user[:half] * item[:half], x])
    return linear(match.last, both)[0]


def cross_entropy(pos, neg):
    """Return the mean over all logits (NeuMF eq. 7)."""
    terms = [-np.log(sigmoid(x)) for x in pos]
    terms += [-np.log(1 - sigmoid(x)) for x in neg]
    return np.mean(terms)


def mlp(net, x):
    """Return the output of layers with tanh between them."""
    for place, layer in enumerate(net.layers):
        x = linear(layer, x if place == 0 else np.tanh(x))
    return x


def multivae_code(encoder, row):
    """Return mean and log variance of one user's code (Mult-VAE, section 2.2.1)."""
    out = mlp(encoder, row / np.sqrt((row**2).sum()))
    return out[: len(out) // 2], out[len(out) // 2 :]


def multinomial(logits, row):
    """Return one user's negative log-likelihood (Mult-VAE eq. 2)."""
    share = np.exp(logits) / np.exp(logits).sum()
    return -sum(x * np.log(p) for x, p in zip(row, share, strict=True))


def divergence(mean, log_variance):
    """Return the divergence of one code from N(0, 1), coordinate by coordinate."""
    return sum(
        (m**2 + np.exp(v) - v - 1) / 2 for m, v in zip(mean, log_variance, strict=True)
    )


def relation(layer, x, keys):
    """Return what key nodes say about one node (IDCF eqs. 4 to 6)."""
    width = len(x)
    heads = []
    for h in range(layer.num_heads):
        rows = slice(h * width, (h + 1) * width)
        query = numbers(layer.query.weight)[rows] @ x
        keyed = [numbers(layer.key.weight)[rows] @ p for p in keys]
        share = np.exp([query @ k for k in keyed])
        heads.append(
            sum(s * k for s, k in zip(share / share.sum(), keyed, strict=True))
        )
    return linear(layer.out, np.concatenate(heads))
