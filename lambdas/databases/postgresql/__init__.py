"""PostgreSQL: what the jobs that replay, verify and discard are made of, and what a restored database lacks."""
