"""Roles, trust and policies, judged as IAM judges them."""
