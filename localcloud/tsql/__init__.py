"""T-SQL as far as restores and people's scripts need it: tokens, statements, expressions."""
