"""What the command asks a function of the control plane, and what it is answered."""
