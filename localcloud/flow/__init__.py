"""Step Functions, Lambda, EventBridge and DynamoDB: what runs the application's flow."""
