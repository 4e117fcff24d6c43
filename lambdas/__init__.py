"""The control plane: one module per subject; what makes a resource and what removes it stand in the same file."""
