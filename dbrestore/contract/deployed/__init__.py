"""What stands in an account after a deployment, as whoever examines it has to know: its fingerprints, and the SSM document."""
