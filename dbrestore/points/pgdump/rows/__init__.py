"""The rows of a dump's tables: their text, and what they come to."""
