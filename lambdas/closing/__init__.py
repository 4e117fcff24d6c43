"""The end: the report, the ledger closed, and the net that cleans up what nobody works on any more."""
