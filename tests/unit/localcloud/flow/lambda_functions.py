"""Functions for the tests: one small program that does what its event says."""

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

from localcloud.cloud import Cloud

PROGRAM = (Path(__file__).parents[1] / "assembly" / "program" / "program.py").read_text()


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
        FunctionName=name,
        Runtime="python3.11",
        Role=role_arn or role(cloud),
        Handler="program.handle",
        Timeout=timeout,
        Code={"ZipFile": zipped(program)},
        Environment={"Variables": {"GREETING": "hello"}},
    )
    return name


def invoke(cloud: Cloud, name: str, **event: Any) -> tuple[Any, str | None]:
    """The decoded payload, and the kind of error or None."""
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")
