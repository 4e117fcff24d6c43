"""Restore points that are made of dumps in S3: S3 copies them, a worker reads the copies, and what it found becomes the manifest."""
