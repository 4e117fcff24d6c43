"""Restore points are removed: who may not lose them, and the removal itself."""
