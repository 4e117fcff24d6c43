"""Which instance a worker will be, and where its settings come from."""
