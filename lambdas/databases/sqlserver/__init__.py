"""SQL Server: what the jobs that restore and verify native backups are made of, and what they prove."""
