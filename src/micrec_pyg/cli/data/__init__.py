"""``micrec data``: look at a catalogue before anything is trained on it."""
