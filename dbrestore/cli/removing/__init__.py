"""What `points remove` and `points prune` ask for, and how it ends."""
