"""SQL Server: what its part of a plan is."""
