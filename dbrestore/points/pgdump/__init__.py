"""Dumps of PostgreSQL: the archive format of pg_dump, read and made into restore points."""
