"""Who may do what in a restored database: owners, privileges, roles."""
