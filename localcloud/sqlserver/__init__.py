"""The simulated RDS for SQL Server: databases, restore tasks, system views."""
