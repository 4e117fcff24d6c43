"""API Gateway: REST APIs that a template deployed, served on localhost as AWS serves them."""
