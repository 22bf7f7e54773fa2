"""Letting a teacher say what it thinks of a corpus, and checking what was written of it."""
