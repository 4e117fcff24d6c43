"""Steps 3 and 6: the two security groups that let the worker reach the target, made and removed."""
