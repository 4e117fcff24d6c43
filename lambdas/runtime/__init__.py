"""What every function stands on: clients, settings, the ledger, locks, and the frame around a state's work."""
