"""What is wrong with the files of a catalogue."""
