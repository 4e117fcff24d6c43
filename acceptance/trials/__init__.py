"""What is tried: each trial a function that ends with what it found."""
