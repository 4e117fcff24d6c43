"""The restore point: its manifest, the readers of the backup formats, the reading and writing of its files in S3."""
