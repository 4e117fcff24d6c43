"""Restore points that are made of dumps in S3: a worker reads the copies, and what it found becomes the manifest."""
