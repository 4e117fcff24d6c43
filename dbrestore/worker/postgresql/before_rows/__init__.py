"""What comes before the rows: the definitions of the dump."""
