"""Native backups written as SQL Server writes them."""
