"""CloudFormation: the application's own templates, deployed as they are."""
