"""What the project claims about speed, memory and cost, measured side by side."""
