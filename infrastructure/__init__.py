"""The two CDK stacks and the table of Lambda functions with their permissions."""
