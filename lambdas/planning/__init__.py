"""Step 0: the request is validated, everything is looked up, and what can't work is refused before anything exists."""
