"""S3's server access log: who moved how many bytes of which object, seen where requests enter the local cloud.

One line of JSON per request that names an object. What RDS's simulated server reads and what S3 copies passes by no request, so it isn't
here: what is here went through a client.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from localcloud.base import callers

_OF_S3 = re.compile(r"Credential=([^/]+)/[^/]*/[^/]*/s3/")


@dataclass(frozen=True)
class Access:
    """`requester` is a role's ARN or "root"; bytes of the request's and of the answer's body."""

    requester: str
    method: str
    bucket: str
    key: str
    received: int
    sent: int


class AccessLog:
    """Stands in front of a WSGI application and writes down what is about objects."""

    def __init__(self, application: Callable[..., Iterable[bytes]], file: Path) -> None:
        self._application, self._file = application, file
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI asks for it."""
        found = _OF_S3.search(environ.get("HTTP_AUTHORIZATION", ""))
        bucket, _, key = unquote(environ.get("PATH_INFO", "")).lstrip("/").partition("/")

        def answer(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if found and key:
                method, sent = environ["REQUEST_METHOD"], {name.lower(): value for name, value in headers}
                length = 0 if method == "HEAD" else int(sent.get("content-length", 0))
                received = int(environ.get("CONTENT_LENGTH") or 0)
                self._write(Access(callers.principal(found[1]), method, bucket, key, received, length))
            return start_response(status, headers, *more)

        return self._application(environ, answer)

    def _write(self, access: Access) -> None:
        with self._lock, self._file.open("a") as file:
            file.write(json.dumps(asdict(access)) + "\n")


def read(file: Path) -> list[Access]:
    """Everything so far, oldest first."""
    return [Access(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
