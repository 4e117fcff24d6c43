"""What crosses a border: documents, errors, names and numbers. Nothing of ours is imported here."""
