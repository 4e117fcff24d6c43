"""What a restored database is compared with, and the comparisons."""
