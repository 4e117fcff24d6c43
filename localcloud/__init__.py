"""The embedded local cloud: for development, demonstration and rehearsal. Nothing under lambdas/, worker/ or repository/ knows of it."""
