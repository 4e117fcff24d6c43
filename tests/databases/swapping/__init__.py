"""Exchanging the names of two databases on a real server."""
