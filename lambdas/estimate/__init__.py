"""How long a restore will take and what it will cost. Pure arithmetic."""
