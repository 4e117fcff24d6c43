"""`make aws-check`: the product tried out in an account, and a sheet of what held. What it makes it removes, and proves that."""
