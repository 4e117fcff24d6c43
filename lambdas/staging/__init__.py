"""Steps 4 and 7: native backups in the temporary bucket, and the bucket itself, made and removed."""
