"""Backups that arrive in somebody's bucket become restore points, by the rules of configuration/adoption.json."""
