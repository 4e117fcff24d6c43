"""Before step 1: a restore that somebody else has to approve waits for that."""
