"""What is looked up before anything is planned: the target's account and the repository."""
