"""The embedded local cloud: for development, demonstration and rehearsal. Nothing that is deployed knows of it."""
