"""Calls of the installation's HTTP API: who calls is then proven, which no function that a command invokes can say.

With DBRESTORE_API_KEY the key says who it is, without it the AWS credentials sign, which is proof of the role or user of IAM.
"""

import json
import os
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session

from dbrestore.cli.control import ControlPlane
from dbrestore.contract.api.routes import IAM
from dbrestore.contract.errors import AwsRefused, ControlPlaneNotFound, NotPermitted, RestoreClosed, RestoreError, RestoreNotFound

URL, KEY = "DBRESTORE_API_URL", "DBRESTORE_API_KEY"
_BY_STATUS: dict[int, type[RestoreError]] = {403: NotPermitted, 404: RestoreNotFound, 409: RestoreClosed}


def post(plane: ControlPlane, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a call, as JSON. Raises what the API refuses, under the name nearest to it, and ControlPlaneNotFound without an API."""
    url, key = os.environ.get(URL) or plane.api_url, os.environ.get(KEY)
    if not url:
        raise ControlPlaneNotFound(
            "This installation has no HTTP API, by which alone it is proven who decides: name its callers in configuration/access.json and "
            "deploy, or start a local cloud and set the variables that `dbrestore local up` prints"
        )
    _require_safe(url)
    request = AWSRequest("POST", url.rstrip("/") + ("" if key else IAM) + path, data=json.dumps(body).encode())
    request.headers["Content-Type"] = "application/json"
    if key:
        request.headers["x-api-key"] = key
    else:
        _sign(plane, request)
    try:
        response = URLLib3Session().send(request.prepare())
    except HTTPClientError as error:
        raise AwsRefused(f"{urlsplit(url).netloc} doesn't answer: {error}") from error
    return _read(response.status_code, response.content)


def _require_safe(url: str) -> None:
    """A key goes to nobody in the clear, but to this computer."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise ControlPlaneNotFound(f"{URL}: {url!r} isn't an https:// address: the key would go there in the clear")


def _sign(plane: ControlPlane, request: AWSRequest) -> None:
    session = plane.account.session
    credentials = session.get_credentials()
    if credentials is None:
        raise AwsRefused(f"There are no AWS credentials to sign with: log in, or set {KEY}")
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", session.region_name).add_auth(request)


def _read(status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or status >= 300:
        told = answer.get("detail") if isinstance(answer, dict) else None
        raise _BY_STATUS.get(status, AwsRefused)(str(told or f"The API answered with status {status} and no problem document"))
    return answer
