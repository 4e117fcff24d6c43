"""The data plane: the program that runs on the EC2 worker, `python -m worker JOB_URI`."""
