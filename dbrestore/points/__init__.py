"""The repository: restore points, their files in S3, and the readers of the backup formats."""
