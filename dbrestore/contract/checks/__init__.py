"""Checks of one's own: the questions, and the lists of their answers."""
