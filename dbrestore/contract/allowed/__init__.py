"""Which names, settings and choices a request or a restore point may have."""
