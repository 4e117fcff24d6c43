"""The ledger as it is read: its table, its rows of any version, the list of restores. Functions alone write it."""
