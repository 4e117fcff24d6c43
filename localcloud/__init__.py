"""The embedded local cloud: a tool for development, demonstration and rehearsal. Nothing under lambdas/, worker/ or repository/ knows of it."""
