"""The parts of a generated database, one module per family of objects. `databases.databases` puts them together."""
