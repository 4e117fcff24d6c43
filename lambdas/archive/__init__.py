"""Step 1: an archived restore point is retrieved."""
