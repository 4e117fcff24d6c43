"""The `dbrestore` command."""
