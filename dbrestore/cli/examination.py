"""Questions that only a function of the control plane can answer: the target's role trusts the functions, not the person who asks.

Invariant: a question is asked once. The client waits longer than any function runs and sends nothing a second time.
"""

import json
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import ValidationError

from dbrestore.cli.control import ControlPlane
from dbrestore.contract import limits
from dbrestore.contract.deployed import versions
from dbrestore.contract.document import Document
from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import ControlPlaneNotFound, RestoreError, RestoreFailed

Answer = TypeVar("Answer", bound=Document)

_PATIENT = Config(read_timeout=limits.FUNCTION_TIMEOUT + 10, retries={"total_max_attempts": 1})


def ask(plane: ControlPlane, function: str, question: Document, answer: type[Answer]) -> Answer:
    """What the function answers; `function` is its row in the table of functions, such as `CheckWorkerConfiguration`.

    Raises the function's own error under its name, RestoreFailed for one that has none or an answer that another version gave and this one
    can't read, and ControlPlaneNotFound if the deployed version has no such function.
    """
    payload = _invoke(plane, _name(plane, function), question)
    if isinstance(payload, dict) and "errorType" in payload:
        raise _error(function, payload)
    try:
        return answer.of_any_version(payload)
    except ValidationError as error:
        raise _unreadable(function, error) from None


def _name(plane: ControlPlane, function: str) -> str:
    if function not in plane.functions:
        raise ControlPlaneNotFound(
            f"The dbrestore that is deployed here has no function {function}: deploy this version of it, then ask again."
        )
    return plane.functions[function]


def _invoke(plane: ControlPlane, name: str, question: Document) -> Any:
    client = plane.account.session.client("lambda", config=_PATIENT)
    try:
        told = client.invoke(FunctionName=name, Payload=question.to_json().encode())
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise ControlPlaneNotFound(
            f"There is no Lambda function {name} although the SSM parameter names it: deploy dbrestore again."
        ) from None
    return json.loads(told["Payload"].read())


def _unreadable(function: str, error: ValidationError) -> RestoreFailed:
    first = error.errors()[0]
    where = "/".join(str(part) for part in first["loc"]) or "all of it"
    return RestoreFailed(
        f"{function} gave an answer that this command, {versions.NUMBER}, can't read ({where}: {first['msg']}): the deployed functions "
        "are of another version. Use the command of that version, or deploy this one."
    )


def _error(function: str, payload: dict[str, Any]) -> RestoreError:
    kind, message = str(payload["errorType"]), str(payload.get("errorMessage", ""))
    found = by_name(kind)
    if found is RestoreFailed and kind != RestoreFailed.__name__:
        return RestoreFailed(f"{function} ended with {kind}: {message}. Its log is in CloudWatch.")
    return found(message)
