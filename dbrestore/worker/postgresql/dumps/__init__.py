"""Dumps that S3 has copied into the repository, read for the manifest of a restore point; no server is asked for anything."""
