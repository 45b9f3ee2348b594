"""What other programs take over from a trained model: vectors, an index, a network."""
