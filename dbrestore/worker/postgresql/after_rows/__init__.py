"""What follows the rows: indexes, constraints, foreign keys, materialized views, row security, statistics that the dump brings."""
