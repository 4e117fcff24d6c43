"""How long `POST /v1/restores` takes on the warm local cloud: over HTTP, through API Gateway's checks, to the started execution."""

import http.client
import json
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from localcloud import cloud
from localcloud.stacks import application

ROUNDS = 100
# What is promised, in milliseconds.
PROMISED = 500
OVER = ("REFUSED", "FAILED", "SUCCEEDED", "STOPPED")


def report(directory: Path) -> list[str]:
    """The lines of the section. Raises if a call isn't accepted."""
    running = cloud.start(directory / "cloud", schedules=False)
    try:
        application.deploy(running)
        known = json.loads((running.directory / application.API_FILE).read_text())
        first, *others = [_started(known["url"], known["keys"]["developer"], number) for number in range(ROUNDS + 1)]
    finally:
        running.stop()
    p95 = quantiles(others, n=20)[-1]
    return [
        "| calls | median, ms | 95th percentile, ms | slowest, ms | promised, ms | first, which starts the function, ms |",
        "|---|---|---|---|---|---|",
        f"| {len(others)} | {median(others):.0f} | {p95:.0f} | {max(others):.0f} | {PROMISED} | {first:.0f} |",
        "",
        "One after the other, each after the execution of the one before ended: a ticket system doesn't come in crowds.",
    ]


def _started(url: str, key: str, number: int) -> float:
    """Milliseconds of one call. The instance is one that there isn't, so the plan is refused, long after the answer."""
    request = {"target": {"dbInstance": "no-such-instance"}, "databases": ["orders"], "reason": f"INC-{number}"}
    began = time.perf_counter()
    status, answer = _call(url, key, "POST", "/v1/restores", request, {"Idempotency-Key": f"INC-{number}"})
    milliseconds = (time.perf_counter() - began) * 1000
    if status != 202:
        raise SystemExit(f"the call was answered with {status}: {answer}")
    while _call(url, key, "GET", f"/v1/restores/{answer['id']}", None, {})[1]["status"] not in OVER:
        time.sleep(0.05)
    return milliseconds


def _call(url: str, key: str, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
    """A connection of its own for each call, as senders have it."""
    parts = urlsplit(url + path)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    try:
        text = json.dumps(body) if body is not None else None
        connection.request(method, parts.path, text, {"x-api-key": key, "Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()
