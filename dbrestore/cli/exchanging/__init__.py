"""What is done with the names of restored databases after their restore."""
