"""S3: large objects, archived objects, several accounts, copies, access logs."""
