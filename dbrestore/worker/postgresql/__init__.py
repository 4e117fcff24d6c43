"""Step 5 on PostgreSQL: dumps become databases under temporary names, are verified and promoted."""
