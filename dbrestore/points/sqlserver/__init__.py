"""Native backups of SQL Server: read, judged and made into restore points."""
