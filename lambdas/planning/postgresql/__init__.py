"""PostgreSQL: what its part of a plan is."""
