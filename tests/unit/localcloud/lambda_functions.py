"""Functions for the tests: one small program that does what its event says."""

import io
import json
import uuid
import zipfile
from typing import Any

from localcloud.cloud import Cloud

PROGRAM = """
import json, os, time
import boto3
seen = []
def handle(event, context):
    seen.append(event)
    print("handling", json.dumps(event, sort_keys=True))
    if "exit" in event:
        os._exit(event["exit"])
    time.sleep(event.get("sleep", 0))
    attempt = sum(1 for one in seen if one == event)
    if attempt <= event.get("failures", 0):
        raise type(event["error"], (Exception,), {})(f"attempt {attempt}")
    if "put" in event:
        boto3.client("s3").put_object(Bucket=event["put"], Key=f"{time.time()}", Body=json.dumps(event).encode())
    return {"seen": len(seen), "process": os.getpid(), "variable": os.environ.get("GREETING"),
            "function": context.function_name, "milliseconds": context.get_remaining_time_in_millis(),
            "who": boto3.client("sts").get_caller_identity()["Arn"], "endpoint": os.environ["AWS_ENDPOINT_URL"]}
"""


def role(cloud: Cloud) -> str:
    """The ARN of a new role."""
    name = f"role-{uuid.uuid4().hex[:8]}"
    return str(cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"])


def zipped(program: str) -> bytes:
    """A deployment package with the one module `program.py`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("program.py", program)
    return buffer.getvalue()


def create(cloud: Cloud, *, timeout: int = 20, program: str = PROGRAM, role_arn: str | None = None) -> str:
    """The name of a new function."""
    name = f"function-{uuid.uuid4().hex[:8]}"
    cloud.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Role=role_arn or role(cloud), Handler="program.handle", Timeout=timeout,
        Code={"ZipFile": zipped(program)}, Environment={"Variables": {"GREETING": "hello"}},
    )  # fmt: skip
    return name


def invoke(cloud: Cloud, name: str, **event: Any) -> tuple[Any, str | None]:
    """The decoded payload, and the kind of error or None."""
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")
