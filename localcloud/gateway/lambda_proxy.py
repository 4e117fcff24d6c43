"""The Lambda proxy integration: the event of payload version 1.0, the function, and its answer.

Source: API Gateway developer guide, "Set up Lambda proxy integrations". A path parameter comes decoded, `path` as it was sent (assumed).
"""

import base64
import binascii
import json
import re
import threading
import uuid
from typing import Any, Final

from botocore.exceptions import ClientError

from localcloud.base.clients import Clients, Place
from localcloud.gateway.refusals import Refusal
from localcloud.gateway.requests import Answer, Headers, grouped
from localcloud.gateway.visits import Visit
from localcloud.iam import access_policies, function_policies

SERVICE: Final = "apigateway.amazonaws.com"
LONGEST_MILLIS: Final = 29_000
# Of a synchronous invocation, there and back (Lambda quotas: 6 MB).
LARGEST_PAYLOAD: Final = 6_291_556
_FUNCTION: Final = re.compile(r":path/2015-03-31/functions/(?P<arn>arn:[^/]+)/invocations")
# Renamed in an answer, so that it doesn't contradict what API Gateway says itself (developer guide, "Important notes").
_REMAPPED: Final = {
    *("age", "authorization", "connection", "content-length", "content-md5", "date", "expect", "host", "max-forwards"),
    *("pragma", "proxy-authenticate", "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via"),
    *("warn", "www-authenticate", "x-amzn-requestid", "x-amz-apigw-id"),
}
_FIELDS: Final = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
_NOT_HANDED_ON: Final = {"content-length", "connection", "expect", "transfer-encoding"}


def call(clients: Clients, visit: Visit) -> Answer:
    """Invoke the method's function and turn what it returns into the answer. Raises Refusal."""
    assert visit.route is not None  # noqa: S101 - only a routed request reaches a function
    integration = visit.route.method.get("methodIntegration") or {}
    uri = re.sub(r"\$\{stageVariables\.(\w+)\}", lambda found: visit.stage.variables.get(found[1], ""), integration.get("uri") or "")
    function = _FUNCTION.search(uri)
    if function is None or integration.get("type") != "AWS_PROXY" or integration.get("httpMethod") != "POST":
        raise Refusal("API_CONFIGURATION_ERROR")
    role = integration.get("credentials")
    if not role:
        _require_permission(function["arn"], visit)
    millis = min(int(integration.get("timeoutInMillis") or LONGEST_MILLIS), LONGEST_MILLIS)
    return _answer(_invoked(clients, function["arn"], role, _event(visit), millis / 1000), visit)


def _require_permission(function: str, visit: Visit) -> None:
    """API Gateway knows in its own log alone why, and the client gets a 500."""
    context = {"aws:sourcearn": visit.source_arn, "aws:sourceaccount": visit.stage.api.place.account}
    question = access_policies.Question(SERVICE, "lambda:InvokeFunction", function, context)
    if not access_policies.lets_service(question, function_policies.of(function)):
        visit.outcome["integration.error"] = f"Invalid permissions on Lambda function {function}"
        raise Refusal("API_CONFIGURATION_ERROR")


def _invoked(clients: Clients, function: str, role: str | None, event: dict[str, Any], seconds: float) -> bytes:
    """The function's payload; whoever waits too long leaves it running. Real seconds, as those of a function are."""
    outcome: list[bytes | Exception] = []
    payload = json.dumps(event, ensure_ascii=False).encode()
    if len(payload) > LARGEST_PAYLOAD:
        raise Refusal("REQUEST_TOO_LARGE", "Request Too Long")
    thread = threading.Thread(target=_invoke, args=(clients, function, role, payload, outcome), daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise Refusal("INTEGRATION_TIMEOUT")
    if isinstance(outcome[0], bytes):
        return outcome[0]
    raise Refusal("DEFAULT_5XX", status=500 if isinstance(outcome[0], ClientError) else 502) from outcome[0]


def _invoke(clients: Clients, function: str, role: str | None, event: bytes, outcome: list[bytes | Exception]) -> None:
    _, _, _, region, account, _ = function.split(":", 5)
    try:
        made = clients.client("lambda", role, Place(account, region)).invoke(FunctionName=function, Payload=event)
        payload = made["Payload"].read()
        has_failed = made.get("FunctionError") or len(payload) > LARGEST_PAYLOAD
        outcome.append(RuntimeError(payload[:1000].decode(errors="replace")) if has_failed else payload)
    except Exception as error:
        outcome.append(error)


def _event(visit: Visit) -> dict[str, Any]:
    request, route = visit.request, visit.route
    assert route is not None  # noqa: S101 - only a routed request reaches a function
    headers = grouped(_handed_on(visit))
    query = grouped(request.query_pairs)
    is_binary = _is_among(request.header("Content-Type"), visit.stage.api.binary_media_types)
    body = base64.b64encode(request.body).decode() if is_binary else request.body.decode(errors="replace")
    return {
        "resource": route.resource_path,
        "path": request.path_below_stage,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": route.parameters or None,
        "stageVariables": visit.stage.variables or None,
        "requestContext": visit.request_context(),
        "body": body if request.body else None,
        "isBase64Encoded": is_binary and bool(request.body),
    }


def _handed_on(visit: Visit) -> Headers:
    """The client's headers, and those that AWS's front adds."""
    request = visit.request
    port = (request.header("Host") or "").partition(":")[2] or "80"
    ours = {
        "X-Amzn-Trace-Id": f"Root=1-{int(visit.began):08x}-{uuid.uuid4().hex[:24]}",
        "X-Forwarded-For": ", ".join(filter(None, [request.header("X-Forwarded-For"), request.source_ip])),
        "X-Forwarded-Port": port,
        "X-Forwarded-Proto": "http",
    }
    left_out = _NOT_HANDED_ON | {name.lower() for name in ours}
    return (*((name, value) for name, value in request.headers if name.lower() not in left_out), *ours.items())


def _answer(payload: bytes, visit: Visit) -> Answer:
    answer = _well_formed(payload)
    headers = [(_renamed(name), value) for name, value in _headers(answer)]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return Answer(int(answer.get("statusCode") or 200), tuple(headers), _body(answer, visit))


def _well_formed(payload: bytes) -> dict[str, Any]:
    """Raises Refusal for what isn't the answer of a proxy's function: another field, another type, no JSON."""
    malformed = Refusal("DEFAULT_5XX", status=502)
    try:
        answer = json.loads(payload)
        status = int(answer.get("statusCode") or 200) if isinstance(answer, dict) else 0
    except (ValueError, TypeError):
        raise malformed from None
    if not isinstance(answer, dict) or not answer or answer.keys() - _FIELDS or not 100 <= status <= 599:
        raise malformed
    if not isinstance(answer.get("body") or "", str) or not all(_is_map(answer.get(name)) for name in ("headers", "multiValueHeaders")):
        raise malformed
    return answer


def _is_map(headers: Any) -> bool:
    if headers is None:
        return True
    values = headers.values() if isinstance(headers, dict) else [None]
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return all(isinstance(one, str | bool | int | float) for one in flat)


def _headers(answer: dict[str, Any]) -> Headers:
    """Both kinds in one list; where both have a name, the second kind's values count."""
    many = {name: values if isinstance(values, list) else [values] for name, values in (answer.get("multiValueHeaders") or {}).items()}
    single = {name: [value] for name, value in (answer.get("headers") or {}).items() if name not in many}
    return tuple((name, _text(value)) for name, values in {**single, **many}.items() for value in values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _renamed(name: str) -> str:
    return f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name


def _body(answer: dict[str, Any], visit: Visit) -> bytes:
    """Base64 is decoded only if the API knows the first type that the client accepts as a binary one."""
    text: str = answer.get("body") or ""
    accepted = (visit.request.header("Accept") or "").split(",")[0]
    if not answer.get("isBase64Encoded") or not _is_among(accepted, visit.stage.api.binary_media_types):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refusal("API_CONFIGURATION_ERROR") from None


def _is_among(media_type: str | None, binary: tuple[str, ...]) -> bool:
    named = (media_type or "").partition(";")[0].strip().lower()
    return "*/*" in binary or named in {one.lower() for one in binary}
