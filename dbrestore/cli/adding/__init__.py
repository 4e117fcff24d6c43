"""What `points add` asks of the backups of each engine, and how it takes them in."""
