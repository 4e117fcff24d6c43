"""Steps 2 and 6: the worker, launched and removed."""
