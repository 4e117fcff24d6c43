"""Rules by which backups that arrive in somebody's bucket become restore points, and what is told of them."""
