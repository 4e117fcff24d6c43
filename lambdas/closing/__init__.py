"""The end: the report, the ledger closed, and the net that clears up what nobody works on any more."""
