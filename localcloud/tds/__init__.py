"""The TDS protocol: what a client of SQL Server hears on the wire."""
