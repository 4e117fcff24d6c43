"""Routes of the API to what answers them, by Powertools' resolver; from the same functions comes the OpenAPI description.

The answers are typed with the product's own models. A body is read by the product's own reader before anything is routed: Powertools' takes
the last of two keys of one name, and names places in words of its own.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query

from dbrestore.contract.api.points import PointList
from dbrestore.contract.api.problem import MEDIA_TYPE, Problem
from dbrestore.contract.api.restores import Decision, PlanUnderway, RestorePage, ShownPlan, ShownRestore, SwapWish
from dbrestore.contract.api.routes import ROUTES
from dbrestore.contract.document import Document
from dbrestore.contract.request import RestoreRequest
from lambdas.entrances.api import approving, plans, showing, starting, stopping, swapping
from lambdas.entrances.api.received import Received
from lambdas.entrances.api.showing import Look
from lambdas.entrances.api.starting import Call

JSON = "application/json"
# Seconds after which a caller may look again.
WHILE_RUNNING = "30"
WHILE_PLANNING = "5"

Answer = TypeVar("Answer", bound=Callable[..., Any])
Id = Annotated[str, Path(description="A restore's id: r- and twelve hexadecimal digits.")]
Name = Annotated[str, Path(description="A declared drill's name.")]
OF_KEY = "The same for each repetition of one request. Required, but for a restore whose request has `ticket.id`, which stands for it then."
Key = Annotated[str | None, Header(alias="Idempotency-Key", description=OF_KEY)]

app = APIGatewayRestResolver(enable_validation=True)


def _route(name: str, good: dict[int, tuple[str, type[Document] | None]]) -> Callable[[Answer], Answer]:
    """Register under `METHOD /path` of the table of routes. `good`: what an answer that is no problem may be."""
    route = next(one for one in ROUTES if f"{one.method} {one.path}" == name)
    return app.route(
        route.path.replace("{", "<").replace("}", ">"),
        route.method,
        summary=route.does,
        responses={**{status: _good(*what) for status, what in good.items()}, **PROBLEMS},
        tags=[route.path.split("/")[2].partition(".")[0]],
    )


def _good(description: str, model: type[Document] | None) -> Any:
    return {"description": description, **({"content": {JSON: {"model": model}}} if model else {})}


def _bad(description: str) -> Any:
    return {"description": description, "content": {MEDIA_TYPE: {"model": Problem}}}


PROBLEMS = {
    400: _bad("What was sent can't be read."),
    401: _bad("Nobody is proven to call."),
    403: _bad("The caller may not do this."),
    404: _bad("There is no such thing, or none that the caller may see."),
    409: _bad("Something else is at work on it, or it is over."),
    413: _bad("The body is too large."),
    415: _bad("The body is said to be something else than JSON."),
    422: _bad("The request is refused; `errors` name each place in it."),
    429: _bad("Too many calls."),
    500: _bad("A bug of dbrestore."),
    503: _bad("Not now: send the same again after `Retry-After`."),
}


@_route("POST /v1/restores", {202: ("It is accepted, and will be planned.", ShownRestore)})
def start_restore(request: RestoreRequest, key: Key = None) -> Response[ShownRestore]:
    return _accepted(starting.restore(_call(key, _body().get("ticket")), _body()))


@_route("GET /v1/restores", {200: ("A page of them.", RestorePage)})
def list_restores(
    target: Annotated[str | None, Query(description="Only those into this instance.")] = None,
    status: Annotated[str | None, Query(description="Only those in this status.")] = None,
    limit: Annotated[str | None, Query(description="At most so many, up to 100.")] = None,
    next_token: Annotated[str | None, Query(alias="nextToken", description="From the page before.")] = None,
) -> Response[RestorePage]:
    return Response(200, JSON, showing.restores(_look(), showing.filter_of(target, status, limit, next_token)))


@_route("GET /v1/restores/{id}", {200: ("How it stands.", ShownRestore)})
def show_restore(id: Id) -> Response[ShownRestore]:
    return _shown(200, showing.restore(_look(), id))


@_route("POST /v1/restores/{id}/cancel", {202: ("It was asked to stop.", ShownRestore)})
def cancel_restore(id: Id) -> Response[ShownRestore]:
    return _shown(202, stopping.stopped(_look(), id))


@_route("POST /v1/restores/{id}/approval", {200: ("It is decided.", ShownRestore)})
def decide(id: Id, decision: Decision) -> Response[ShownRestore]:
    return _shown(200, approving.decided(_look(), id, _body()))


@_route("POST /v1/restores/{id}/swaps", {202: ("It is accepted, and will be planned.", ShownRestore)})
def swap(id: Id, wish: SwapWish, key: Key = None) -> Response[ShownRestore]:
    return _accepted(swapping.ordered(_look(), _call(key), id, _body()))


@_route("GET /v1/restores/{id}/report", {303: ("`Location` is a link to the page that works for five minutes.", None)})
def show_report(id: Id) -> Response[str]:
    return Response(303, "text/plain", "", headers={"Location": showing.report(_look(), id)})


@_route(
    "POST /v1/plans",
    {
        200: ("What it would do. Nothing was made.", ShownPlan),
        202: ("It takes longer: send the same with the same key again.", PlanUnderway),
    },
)
def plan(request: RestoreRequest, key: Key = None) -> Response[ShownPlan | PlanUnderway]:
    call = _call(key)
    underway = starting.plan(call, _body())
    execution = starting.ended(call, underway)
    if execution is None:
        return Response(202, JSON, PlanUnderway(id=underway.restore_id), headers={"Retry-After": WHILE_PLANNING})
    return Response(200, JSON, plans.shown_plan(execution))


@_route("GET /v1/points", {200: ("The restore points, newest first.", PointList)})
def list_points(
    instance: Annotated[str | None, Query(alias="dbInstance", description="The instance that was backed up. Required.")] = None,
) -> Response[PointList]:
    return Response(200, JSON, showing.points(_look(), instance))


@_route("POST /v1/drills/{name}/runs", {202: ("It is accepted, and will be planned.", ShownRestore)})
def run_drill(name: Name, key: Key = None) -> Response[ShownRestore]:
    return _accepted(starting.drill(_call(key), name))


@_route("GET /v1/openapi.json", {200: ("OpenAPI 3.1.", None)})
def describe() -> Response[str]:
    from lambdas.entrances.api.description import text

    return Response(200, JSON, text())


def _look() -> Look:
    look = app.context["look"]
    assert isinstance(look, Look)  # noqa: S101 - whoever resolves puts it there
    return look


def _call(key: str | None, ticket: Any = None) -> Call:
    look = _look()
    return Call(look.caller, starting.key_of(key, ticket), look.access, look.surroundings)


def _body() -> dict[str, Any]:
    body: dict[str, Any] = app.context["body"]
    return body


def _accepted(accepted: Received) -> Response[ShownRestore]:
    return _shown(202, showing.of_accepted(_look(), accepted))


def _shown(status: int, shown: ShownRestore) -> Response[ShownRestore]:
    headers: dict[str, str | list[str]] = {"Location": shown.links.self} if status == 202 else {}
    if shown.status in ("STARTING", "WAITING_FOR_APPROVAL", "RUNNING", "STOPPED"):
        headers["Retry-After"] = WHILE_RUNNING
    return Response(status, JSON, shown, headers=headers)
