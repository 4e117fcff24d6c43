"""Backups that lie in S3 already, in anybody's bucket: found, judged by ranges of them, and copied into the repository by S3 itself."""
