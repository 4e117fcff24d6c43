"""The HTTP API: who calls, what they may, and what the ledger and Step Functions say. It starts executions and awaits none but a plan."""
