"""What comes in from outside and isn't a state of the flow: commands that change something."""
