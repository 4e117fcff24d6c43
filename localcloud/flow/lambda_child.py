"""The inside of a function's process: a copy of one that has read the libraries and AWS's service models already, more than half of a
cold start.

What such a process may share with others is what no variable, role or code of a function changes. Everything else it becomes in `become`,
before a line of the function is read.
"""

import gc
import os
import runpy
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from botocore.loaders import JSONFileLoader
from botocore.session import Session

# Read once for all functions: libraries that ask the environment for HOME at most when they are imported, and a function has none.
# Powertools asks for more.
LIBRARIES = ("boto3.s3.transfer", "pydantic", "urllib3.connectionpool")
SERVICES = ("cloudwatch", "dynamodb", "ec2", "events", "kms", "rds", "s3", "secretsmanager", "sqs", "ssm", "stepfunctions", "sts")


def become(task_root: Path, handler: str, variables: Mapping[str, str], log: Path) -> None:
    """Be the process of a function for the rest of its life: its folder, variables, output, and AWS's runtime client."""
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    os.chdir(task_root)
    sys.path.insert(0, str(task_root))
    _write_to(log)
    sys.argv[1:] = [handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


def read_service_models() -> None:
    """Whoever is copied from this process finds AWS's descriptions of its services read, but no client, session or key."""
    JSONFileLoader.load_file = cache(JSONFileLoader.load_file)  # type: ignore[method-assign]
    session, nobody = Session(), "nobody"
    for service in SERVICES:
        session.create_client(service, "us-east-1", aws_access_key_id=nobody, aws_secret_access_key=nobody)
    # So that a collector doesn't touch, and thereby copy, what all of them share.
    gc.freeze()


def _write_to(log: Path) -> None:
    """As Python's output is that is told to buffer nothing."""
    with log.open("ab") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[union-attr]
