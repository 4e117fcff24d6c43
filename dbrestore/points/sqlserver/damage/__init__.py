"""Damage that a native backup shows by itself: structure, checksums and places of pages, recomputed."""
