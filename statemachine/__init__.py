"""The state machine: its definition as a source (`definition`), and as the JSON that is made of it and deployed."""
