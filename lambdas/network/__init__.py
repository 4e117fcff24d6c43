"""Where in a VPC a worker can stand, and what its packets meet."""
