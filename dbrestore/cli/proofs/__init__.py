"""Pages of evidence, and which databases were proven."""
