"""The first deployment in one account, as one command: `make deploy`. What the CDK's command does, it leaves to that."""
