"""What a person installs and what the worker runs: the contract, the repository of restore points, the worker, the command."""
