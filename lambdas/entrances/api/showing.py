"""`GET /v1/restores`, `/v1/restores/{id}`, its report, and `/v1/points`: what the caller may see of what the ledger and S3 say."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dbrestore.contract import keys, limits
from dbrestore.contract.api.points import PointList, ShownPoint
from dbrestore.contract.api.restores import Links, RestorePage, ShownApproval, ShownDatabase, ShownRestore, ShownTarget
from dbrestore.contract.errors import NotPermitted
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request import TicketRequest
from dbrestore.evidence import digests
from dbrestore.ledger import restore_list, standing
from dbrestore.ledger.restore_list import RESTORES
from dbrestore.ledger.standing import Standing
from dbrestore.ledger.table import Table
from dbrestore.points import stored_points
from lambdas.approval import decisions
from lambdas.configuration.access import AccessConfiguration, Action
from lambdas.entrances.api import permission, received
from lambdas.entrances.api.callers import Caller
from lambdas.entrances.api.permission import Asked
from lambdas.entrances.api.received import Received
from lambdas.entrances.api.refusals import Refusal, not_found, of_query
from lambdas.runtime.executions import described, message_of
from lambdas.runtime.state import Surroundings

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ID = re.compile(r"r-[0-9a-f]{12}")
_SORT_KEY = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,15}Z#r-[0-9a-f]{12}")


@dataclass(frozen=True)
class Look:
    """One look by a caller."""

    caller: Caller
    access: AccessConfiguration
    surroundings: Surroundings

    @cached_property
    def ledger(self) -> Table:
        """As `standing.Records` has it."""
        return self.surroundings.table

    @property
    def executions(self) -> "SFNClient":
        """As `standing.Records` has it."""
        return self.surroundings.control.stepfunctions


@dataclass(frozen=True)
class Filter:
    """Which restores a list shows: of which target, in which status, how many, and from which row on."""

    target: str | None = None
    status: str | None = None
    limit: int = limits.API_PAGE
    before: str = ""


def restore(look: Look, restore_id: str, also: Action | None = None) -> ShownRestore:
    """One restore. Raises Refusal for one that there isn't, or that the caller may neither see nor `also`: the two can't be told apart."""
    if not ID.fullmatch(restore_id):
        raise _unknown(restore_id)
    accepted = received.find(look.ledger, restore_id)
    stands = standing.of(look, restore_id)
    shown = _of_standing(stands, accepted) if stands else _of_received(look, accepted) if accepted else None
    actions: tuple[Action, ...] = ("read", also) if also else ("read",)
    if shown is None or not any(may(look, shown, accepted, action) for action in actions):
        raise _unknown(restore_id)
    return _with_approval(look, shown)


def of_accepted(look: Look, accepted: Received) -> ShownRestore:
    """One that the caller has just asked for."""
    stands = standing.of(look, accepted.restore_id)
    return _with_approval(look, _of_standing(stands, accepted)) if stands else _of_received(look, accepted)


def _with_approval(look: Look, shown: ShownRestore) -> ShownRestore:
    """With what was decided about it, if somebody had to."""
    found = decisions.find(look.ledger, shown.id)
    if found is None:
        return shown
    waits = found.decision == "waiting"
    is_open = shown.status in ("RUNNING", "STOPPED")
    approval = ShownApproval(
        decision="withdrawn" if waits and not is_open else found.decision, until=found.until, by=found.by, at=found.at, reason=found.reason
    )
    here = shown.links.model_copy(update={"approval": f"{shown.links.self}/approval"} if waits and is_open else {})
    status = "WAITING_FOR_APPROVAL" if waits and shown.status == "RUNNING" else shown.status
    return shown.model_copy(update={"approval": approval, "status": status, "links": here})


def may(look: Look, shown: ShownRestore, accepted: Received | None, action: Action) -> bool:
    """Whether the caller may do this with the restore: its own may be looked at and stopped by whoever started it."""
    if accepted and accepted.caller == look.caller.name and action in ("read", "cancel"):
        return True
    return of_shown(look, shown, action).granted


def of_shown(look: Look, shown: ShownRestore, action: Action) -> permission.Permission:
    """What the rules say about a restore as it is shown."""
    target = shown.target
    names = dict.fromkeys(name for one in shown.databases for name in (one.name, one.asked_name))
    asked = Asked(
        look.caller.name,
        action,
        # One of which nobody can say what it is into is shown to those who may see all.
        target=target.db_instance if target else "?",
        account=target.account if target else None,
        region=target.region if target else None,
        databases=tuple(names),
    )
    return permission.of(look.access, asked)


def restores(look: Look, wanted: Filter) -> RestorePage:
    """A page. It reads a bounded number of rows, so it may be empty and still have a next one."""
    shown: list[ShownRestore] = []
    read, last = 0, ""
    rows = look.ledger.newest(RESTORES, page=min(limits.API_ROWS, 100), before=wanted.before)
    for item in islice(rows, limits.API_ROWS):
        read, last = read + 1, str(item["sk"])
        shown += _fitting(look, restore_list.read(item), wanted)
        if len(shown) == wanted.limit:
            break
    more = len(shown) == wanted.limit or read == limits.API_ROWS
    return RestorePage(restores=tuple(shown), next_token=_token(last) if more else None)


def filter_of(target: str | None, status: str | None, limit: str | None, token: str | None) -> Filter:
    """The query string's parameters. Raises Refusal."""
    number = limit if limit is not None else str(limits.API_PAGE)
    if not re.fullmatch(r"[1-9]\d{0,2}", number) or int(number) > limits.API_LARGEST_PAGE:
        raise of_query("limit", f"must be a number from 1 to {limits.API_LARGEST_PAGE}")
    return Filter(target, status, int(number), _sort_key(token) if token else "")


def report(look: Look, restore_id: str) -> str:
    """A link to the page of evidence, which works for some minutes. Raises Refusal if there is none, or not yet."""
    shown = restore(look, restore_id)
    key = keys.restore_prefix(shown.id) + digests.PAGE
    s3, bucket = look.surroundings.control.s3, look.surroundings.settings.evidence_bucket
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) not in ("404", "NoSuchKey"):
            raise
        told = f"{shown.id} is {shown.status}: the report is there when it is over"
        raise Refusal(404, "ReportNotFound", "There is no report", told) from error
    asked = {"Bucket": bucket, "Key": key}
    return s3.generate_presigned_url("get_object", Params=asked, ExpiresIn=limits.API_REPORT_LINK_SECONDS)


def points(look: Look, instance: str | None) -> PointList:
    """The restore points of an instance. Raises Refusal, NotPermitted, RestorePointNotFound."""
    if not instance:
        raise of_query("dbInstance", "is missing: name the instance that was backed up, as in ?dbInstance=orders-prod")
    found = permission.of(look.access, Asked(look.caller.name, "read", source=instance))
    if not found.granted:
        raise NotPermitted(found.reason)
    s3, bucket = look.surroundings.control.s3, look.surroundings.settings.repository_bucket
    listed = stored_points.list_points(s3, bucket, instance)
    if not listed:
        raise Refusal(404, "RestorePointNotFound", "There is no restore point", f"The repository has no restore point of {instance!r}")
    return PointList(db_instance=instance, points=tuple(ShownPoint(id=one.point_id, added_at=one.written_at) for one in reversed(listed)))


def links(restore_id: str, *, over: bool = False) -> Links:
    """Where the rest is."""
    here = f"/v1/restores/{restore_id}"
    return Links(self=here, report=f"{here}/report" if over else None)


def _fitting(look: Look, row: restore_list.ListedRestore, wanted: Filter) -> Iterator[ShownRestore]:
    if wanted.target and (row.target is None or row.target.db_instance.lower() != wanted.target.lower()):
        return
    shown = _of_standing(standing.of_listed(look, row), None)
    if shown.status == "RUNNING":
        shown = _with_approval(look, shown)
    if wanted.status and shown.status != wanted.status:
        return
    if of_shown(look, shown, "read").granted or may(look, shown, received.find(look.ledger, row.restore_id), "read"):
        yield shown


def _of_standing(stands: Standing, accepted: Received | None) -> ShownRestore:
    told = stands.restore
    target = told.target
    return ShownRestore(
        id=told.restore_id,
        status=stands.status,
        mode=told.mode,
        state=stands.state,
        engine=told.engine,
        target=ShownTarget(db_instance=target.db_instance, account=target.account, region=target.region) if target else None,
        databases=tuple(ShownDatabase(name=one.name, asked_name=one.asked_name) for one in told.databases),
        began_at=told.started_at,
        ended_at=told.ended_at,
        requested_by=told.requested_by,
        permitted_by=accepted.permitted_by if accepted else None,
        reason=told.reason,
        ticket=told.ticket,
        cancel_requested=stands.cancel_requested,
        error=told.error,
        leftovers=told.leftovers,
        unread=told.unread,
        links=links(told.restore_id, over=not stands.is_open),
    )


def _of_received(look: Look, accepted: Received) -> ShownRestore:
    """One that is not in the ledger's list: it is still being planned, or was refused, or was only a plan."""
    execution = described(look.surroundings, accepted.execution_arn)
    status = execution["status"] if execution else None
    error = None
    if execution and status not in ("RUNNING", "SUCCEEDED"):
        error = ErrorNote(name=execution.get("error", status or ""), message=message_of(execution.get("cause", "")))
    request = accepted.request
    target, home = request.get("target") or {}, look.surroundings.settings.state_machine_arn.split(":")
    instance = target.get("dbInstance")
    return ShownRestore(
        id=accepted.restore_id,
        status="STARTING" if status in (None, "RUNNING") else "SUCCEEDED" if status == "SUCCEEDED" else "REFUSED",
        mode=accepted.kind,
        target=ShownTarget(db_instance=instance, account=target.get("account", home[4]), region=target.get("region", home[3]))
        if instance
        else None,
        databases=tuple(ShownDatabase(name=one["name"], asked_name=one.get("as") or one["name"]) for one in request.get("databases", ())),
        began_at=accepted.at,
        ended_at=execution.get("stopDate") if execution else None,
        requested_by=request.get("requestedBy"),
        permitted_by=accepted.permitted_by,
        reason=request.get("reason"),
        ticket=TicketRequest.of_any_version(request.get("ticket") or {}),
        error=error,
        links=links(accepted.restore_id),
    )


def _unknown(restore_id: str) -> Refusal:
    return not_found(f"There is no restore {restore_id[:40]!r} that you may see: GET /v1/restores lists those that you may")


def _token(sort_key: str) -> str:
    return base64.urlsafe_b64encode(sort_key.encode()).decode().rstrip("=")


def _sort_key(token: str) -> str:
    try:
        found = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        found = ""
    if not _SORT_KEY.fullmatch(found):
        raise of_query("nextToken", "is none that this API gave: leave it out to begin with the newest")
    return found
