"""Exchanging the names of two databases in one transaction, back again, and dropping the one that was kept."""
