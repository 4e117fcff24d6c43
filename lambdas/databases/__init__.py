"""Steps 4 and 5: the worker's jobs restore, verify and discard databases."""
