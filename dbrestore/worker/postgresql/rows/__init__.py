"""The rows of a dump on their way into its tables."""
