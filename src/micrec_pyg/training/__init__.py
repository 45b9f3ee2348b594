"""Changes parameters and never ranks: sampling, the training loop, checkpoints."""
