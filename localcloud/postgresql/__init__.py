"""Real PostgreSQL servers and clients of every version that can be had."""
