"""Exchanging names: what is asked, what is planned and told of it."""
