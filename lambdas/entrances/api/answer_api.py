"""The function behind the HTTP API: whoever calls is identified, the body is read, the route answers, and whatever goes wrong is a problem
document. It is no state of the flow."""

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.api.problem import MEDIA_TYPE
from dbrestore.contract.api.routes import DOORS, HOOK
from dbrestore.contract.errors import InternalContradiction, RestoreError
from lambdas.configuration import access as access_configuration
from lambdas.entrances.api import bodies, callers, refusals
from lambdas.entrances.api.refusals import Refusal
from lambdas.entrances.api.resolver import app
from lambdas.entrances.api.showing import Look
from lambdas.entrances.hooks import answer_hook
from lambdas.runtime import telemetry
from lambdas.runtime.aws import translated
from lambdas.runtime.settings import API_CALLERS
from lambdas.runtime.state import Surroundings
from lambdas.runtime.telemetry import log

STATE = "AnswerApi"
# No answer is for a cache, or for a page of somebody else's.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# Routes that need a body, by the end of their path; of the others one is read if there is one, so that nothing unread is ignored.
WITH_BODY = ("/restores", "/plans", "/approval", "/swaps")

Answer = dict[str, Any]


def answer_api(event: dict[str, Any], context: Any, surroundings: Surroundings | None = None) -> Answer:
    """API Gateway's event (REST API, proxy integration) to its answer; it raises nothing."""
    telemetry.begin(STATE, context)
    instance = str((event.get("requestContext") or {}).get("requestId", ""))
    log.append_keys(apiRequestId=instance)
    try:
        answer = _refused_by_name(lambda: _routed(event, context, surroundings or Surroundings()))
    except Refusal as refusal:
        answer = _of_problem(refusal, instance)
    log.info("answered", extra={"status": answer["statusCode"], "route": f"{event.get('httpMethod')} {event.get('resource')}"})
    headers = {name: list(values) for name, values in (answer.get("multiValueHeaders") or {}).items()}
    if headers.get("Location", [""])[0].startswith("/v1/"):
        headers["Location"] = [_base(event) + headers["Location"][0]]
    answer["multiValueHeaders"] = {**headers, **{name: [value] for name, value in HEADERS.items()}}
    return answer


def _refused_by_name(work: Callable[[], Answer]) -> Answer:
    """Raises Refusal for every error, those that nobody thought of too."""
    try:
        return work()
    except Refusal:
        raise
    except (ClientError, BotoCoreError) as error:
        named = translated(error)
        log.exception("AWS refused a call: %s", named)
        raise refusals.of_error(named) if refusals.is_passing(named) else refusals.broken() from error
    except RestoreError as error:
        log.info("%s: %s", type(error).__name__, error)
        raise refusals.of_error(error) from error
    except Exception as error:
        log.exception("a bug: this error has no name that a person could use")
        telemetry.count("UnexpectedErrors")
        raise refusals.broken() from error


def _routed(event: dict[str, Any], context: Any, surroundings: Surroundings) -> Answer:
    access = access_configuration.deployed(surroundings.settings.access_configuration)
    if event.get("resource") == HOOK:
        return answer_hook.answer(event, access, surroundings)
    caller = callers.identified(event, callers.Registered.of(os.environ.get(API_CALLERS, "")), access)
    log.append_keys(caller=caller.name)
    body = bodies.read(event) if _takes_a_body(event) else {}
    app.context.update(look=Look(caller, access, surroundings), body=body)
    try:
        return app.resolve({**event, "path": _path(event)}, context)
    finally:
        app.context.clear()


def _takes_a_body(event: dict[str, Any]) -> bool:
    return event.get("httpMethod") == "POST" and bool(event.get("body") or str(event.get("resource")).endswith(WITH_BODY))


def _path(event: dict[str, Any]) -> str:
    """Below its door, out of the resource and its parameters: `path` itself has whatever a domain of one's own puts before it."""
    path = str(event.get("resource", ""))
    for name, value in (event.get("pathParameters") or {}).items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    return next((path.removeprefix(door) for door in DOORS if door and path.startswith(f"{door}/")), path)


def _base(event: dict[str, Any]) -> str:
    """What the caller's URL has before `/v1` or `/hooks`: the stage, or what a domain of one's own has in its place, and the door."""
    path = str((event.get("requestContext") or {}).get("path") or event.get("path") or "")
    return path.rpartition("/hooks/")[0] if event.get("resource") == HOOK else path.partition("/v1/")[0]


def _of_problem(refusal: Refusal, instance: str) -> Answer:
    problem = refusal.problem(f"urn:dbrestore:call:{instance}" if instance else None)
    headers = {"Content-Type": MEDIA_TYPE, **refusal.headers}
    return {
        "statusCode": refusal.status,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": problem.to_json(),
        "isBase64Encoded": False,
    }


@app.not_found
def _no_route(error: Any) -> Any:
    raise Refusal(404, "RouteNotFound", "There is no such route", "The API has no such route: GET /v1/openapi.json lists those that it has")


@app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
def _invalid(error: RequestValidationError) -> Any:
    """The route's own reader says what is wrong with a body, in the product's words and with all problems at once."""
    parameters = [one for one in error.errors() if one["loc"][:1] != ("body",)]
    if parameters:
        raise refusals.of_query(str(parameters[0]["loc"][-1]), str(parameters[0]["msg"]))
    from lambdas.entrances.api import approving, starting, swapping

    readers: dict[str, Callable[[dict[str, Any]], object]] = {"approval": approving.read, "swaps": swapping.read}
    readers.get(app.current_event.path.rpartition("/")[2], starting.checked)(app.context["body"])
    raise InternalContradiction("Two readers of one request differ: one refuses it, the other finds nothing wrong")
