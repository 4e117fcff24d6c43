"""What a run makes in the account: each subject's module makes its things and has the table of how they're removed."""
