"""Steps 4 and 5 on SQL Server: RDS restores native backups, and the worker submits, follows and verifies."""
