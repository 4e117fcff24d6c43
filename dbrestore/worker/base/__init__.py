"""What jobs of both engines share: the job's folder in S3, its progress, its lock."""
