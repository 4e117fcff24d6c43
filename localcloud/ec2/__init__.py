"""EC2 and SSM: instances that run programs, security groups, a VPC's routes and endpoints."""
