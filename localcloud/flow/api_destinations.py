"""API destinations: an event that matches a rule becomes an HTTP call.

| moto 5.2.5 | fixed to |
|---|---|
| no call, or one without body and credentials | the call, with credentials, five seconds of patience and the retry policy |
| no dead-letter queue | what can't be delivered goes there, if the queue's policy lets EventBridge in |

Only this computer is called: `http://127.0.0.1:...`, or a host that something here stands for (`stand_in`). Every attempt, made or refused,
is a line of the record. Not here: the limit of calls a second, addresses of IPv6, rules with a schedule.
Sources: EventBridge User Guide, "API destinations as targets", "Using dead-letter queues to process undelivered events". Assumed: the
pauses between attempts, and the texts of ERROR_MESSAGE.
"""

import http.client
import json
import logging
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from moto.events.models import events_backends

from localcloud.base import clock
from localcloud.base.clients import Clients, Place
from localcloud.flow import connections, event_input
from localcloud.flow.connections import Outgoing
from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question

SERVICE: Final = "events.amazonaws.com"
RECORD: Final = "api-destinations.jsonl"
# Real seconds: who answers is real.
PATIENCE: Final = 5.0
HOSTS: Final = {"127.0.0.1", "localhost"}
# AWS's seconds before the second attempt; twice as many before each further one, up to the longest.
_FIRST_PAUSE: Final = 10.0
_LONGEST_PAUSE: Final = 600.0
_LARGEST_ANSWER: Final = 1_048_576
# Besides 5xx ("Error codes when invoking API destinations").
_RETRIED: Final = {401, 407, 409, 429}
_HEADERS: Final = {
    "User-Agent": "Amazon/EventBridge/ApiDestinations",
    "Content-Type": "application/json; charset=utf-8",
    "Range": f"bytes=0-{_LARGEST_ANSWER - 1}",
    "Accept-Encoding": "gzip,deflate",
    "Connection": "close",
}

_log = logging.getLogger(__name__)


class _Failed(Exception):
    """An attempt that came to nothing. `again` None: no other will be made; else AWS's seconds that the other side asks for."""

    def __init__(self, code: str, message: str, *, again: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.again = again


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one target; `attempt` counts from 1."""

    rule_arn: str
    target: dict[str, Any]
    event: dict[str, Any]
    begun: datetime
    attempt: int = 1

    @property
    def place(self) -> Place:
        """Where the destination lies."""
        _, _, _, region, account, _ = self.target["Arn"].split(":", 5)
        return Place(account, region)


class ApiDestinations:
    """Calls them, each delivery in a thread of its own."""

    def __init__(self, clients: Clients, record: Path) -> None:
        self._clients, self._record = clients, record
        self._tokens: dict[str, str] = {}
        self._stand_ins: dict[str, str] = {}
        self._writing = threading.Lock()
        self._record.unlink(missing_ok=True)

    def stand_in(self, host: str, url: str) -> None:
        """From here on calls of `https://host/...` go to `url`, which is of this computer."""
        self._stand_ins[host] = url

    def deliver(self, rule_arn: str, target: dict[str, Any], event: dict[str, Any]) -> None:
        """Call it, and again until it has taken the event or the retry policy ends."""
        self._start(Delivery(rule_arn, target, event, clock.now()))

    def _start(self, delivery: Delivery) -> None:
        threading.Thread(target=self._attempt, args=(delivery,), daemon=True).start()

    def _attempt(self, delivery: Delivery) -> None:
        try:
            status = self._call(delivery)
        except _Failed as failure:
            self._note(delivery, kind="failed", error=failure.code, message=str(failure))
            self._again(delivery, failure)
        except Exception:
            _log.exception("The call of %s could not be made", delivery.target["Arn"])
        else:
            self._note(delivery, kind="delivered", status=status)

    def _again(self, delivery: Delivery, failure: _Failed) -> None:
        policy = delivery.target.get("RetryPolicy", {})
        pause = max(min(_FIRST_PAUSE * 2 ** min(delivery.attempt - 1, 10), _LONGEST_PAUSE), failure.again or 0)
        oldest = timedelta(seconds=policy.get("MaximumEventAgeInSeconds", 86_400))
        if failure.again is None:
            self._bury(delivery, failure, "")
        elif delivery.attempt > policy.get("MaximumRetryAttempts", 185):
            self._bury(delivery, failure, "MaximumRetryAttempts")
        elif clock.now() + timedelta(seconds=pause) - delivery.begun > oldest:
            self._bury(delivery, failure, "MaximumEventAgeInSeconds")
        else:
            clock.later(pause, lambda: self._attempt(replace(delivery, attempt=delivery.attempt + 1)))

    def _call(self, delivery: Delivery) -> int:
        """The status that says that it was taken. Raises _Failed."""
        _require_role(delivery)
        backend = events_backends[delivery.place.account][delivery.place.region]
        destination = _found(backend.destinations, delivery.target["Arn"])
        connection = _found(backend.connections, destination.connection_arn)
        try:
            request = connections.authorized(connection, _request(delivery, destination), self._tokens, self._send_plain)
        except connections.TokenRefused as refused:
            raise _Failed("SDK_CLIENT_ERROR", str(refused), again=0) from None
        status, headers, _ = self._send(request)
        if status in (401, 407):
            self._tokens.pop(connection.arn, None)
        if status >= 300:
            raise _refused(status, headers)
        return status

    def _send_plain(self, request: Outgoing) -> tuple[int, bytes]:
        status, _, body = self._send(request)
        return status, body

    def _send(self, request: Outgoing) -> tuple[int, http.client.HTTPMessage, bytes]:
        url = urlsplit(self._local(request.url))
        pairs = "&".join(filter(None, [url.query, urlencode(request.query)]))
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=PATIENCE)
        headers = {**_HEADERS, **request.headers, "Host": urlsplit(request.url).netloc}
        try:
            connection.request(request.method, f"{url.path or '/'}{'?' if pairs else ''}{pairs}", request.body.encode() or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            text = f"Unable to invoke ApiDestination endpoint: {error or type(error).__name__}"
            raise _Failed("SDK_CLIENT_ERROR", text, again=0) from error
        finally:
            connection.close()

    def _local(self, url: str) -> str:
        host = urlsplit(url).hostname or ""
        if host in self._stand_ins:
            return self._stand_ins[host].rstrip("/") + url.partition(urlsplit(url).netloc)[2]
        if host not in HOSTS or not url.startswith("http://"):
            raise _Failed("REFUSED", f"The local cloud calls nobody but this computer, and not {url}")
        return url

    def _bury(self, delivery: Delivery, failure: _Failed, exhausted: str) -> None:
        told = {
            "RULE_ARN": delivery.rule_arn,
            "TARGET_ARN": delivery.target["Arn"],
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": str(failure),
            "RETRY_ATTEMPTS": str(delivery.attempt - 1),
            **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
        }
        queue: str = delivery.target.get("DeadLetterConfig", {}).get("Arn", "")
        self._note(delivery, kind="given up", queue=queue if queue and self._send_letter(queue, told, delivery) else "")

    def _send_letter(self, arn: str, told: Mapping[str, str], delivery: Delivery) -> bool:
        """Whether the queue took it. A queue whose policy doesn't let EventBridge in loses it, and nobody is told."""
        _, _, _, region, account, name = arn.split(":", 5)
        sqs = self._clients.client("sqs", place=Place(account, region))
        try:
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except sqs.exceptions.QueueDoesNotExist:
            return False
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {}).get("Policy")
        context = {"aws:sourcearn": delivery.rule_arn, "aws:sourceaccount": account}
        question = Question(SERVICE, "sqs:SendMessage", arn, context)
        if not access_policies.lets_service(question, access_policies.statements(policy)):
            return False
        attributes = {key: {"DataType": "String", "StringValue": value} for key, value in told.items()}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(delivery.event), MessageAttributes=attributes)
        return True

    def _note(self, delivery: Delivery, **told: Any) -> None:
        line = {"at": f"{clock.now():%Y-%m-%dT%H:%M:%SZ}", **told, "target": delivery.target["Arn"], "attempt": delivery.attempt}
        # The folder goes with the cloud.
        with self._writing, suppress(FileNotFoundError), self._record.open("a") as record:
            record.write(json.dumps({**line, "event": delivery.event.get("id")}) + "\n")


def is_one(target: Mapping[str, Any]) -> bool:
    """Whether the target of a rule is an API destination."""
    return ":api-destination/" in str(target["Arn"])


def _found(held: Mapping[str, Any], arn: str) -> Any:
    found = held.get(arn.split("/")[1])
    if found is None:
        raise _Failed("RESOURCE_NOT_FOUND", f"{arn} does not exist")
    return found


def _request(delivery: Delivery, destination: Any) -> Outgoing:
    parameters = delivery.target.get("HttpParameters") or {}
    values = (event_input.parameter(value, delivery.event) for value in parameters.get("PathParameterValues") or [])
    url = re.sub(r"\*", lambda _: quote(next(values, "*"), safe=""), destination.invocation_endpoint)
    headers, query = (
        {name: event_input.parameter(value, delivery.event) for name, value in (parameters.get(kind) or {}).items()}
        for kind in ("HeaderParameters", "QueryStringParameters")
    )
    body = event_input.rendered(delivery.target, delivery.event, delivery.rule_arn)
    return Outgoing(destination.http_method, url, headers, query, body)


def _refused(status: int, headers: http.client.HTTPMessage) -> _Failed:
    text = f"Unable to invoke ApiDestination endpoint: API destination endpoint answered {status}"
    if status < 500 and status not in _RETRIED:
        return _Failed("SDK_CLIENT_ERROR", text)
    asked = headers.get("Retry-After", "0")
    seconds = float(asked) if re.fullmatch(r"-?\d+", asked) else 0.0
    # A negative one asks for no other attempt.
    return _Failed("SDK_CLIENT_ERROR", text, again=seconds if seconds >= 0 else None)


def _require_role(delivery: Delivery) -> None:
    """The target's role must be EventBridge's to take, and let it call this destination."""
    arn, role = delivery.target["Arn"], roles.find(delivery.target.get("RoleArn", ""))
    question = Question(delivery.target.get("RoleArn", ""), "events:InvokeApiDestination", arn)
    context = {"aws:sourcearn": delivery.rule_arn, "aws:sourceaccount": delivery.place.account}
    trust = access_policies.statements(role.assume_role_policy_document) if role else []
    if not access_policies.may_assume(trust, SERVICE, context) or not access_policies.lets(question, roles.permissions(role)):
        raise _Failed("NO_PERMISSIONS", f"{question.principal or 'No role'} does not let {SERVICE} call {arn}")
