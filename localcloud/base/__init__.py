"""What every service of the local cloud stands on: clients, the clock, processes, corrections to moto."""
