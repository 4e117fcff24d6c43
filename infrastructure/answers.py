"""Answers: a rule on the product's own events for each place that is told, whose target is an API destination of EventBridge.

Without a declared answer nothing of this is made. What an answer says stands in the event's `notice` as a whole, so that every place of a
template is a whole JSON value: EventBridge computes nothing and puts no text together.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from aws_cdk import Aws, Duration, SecretValue
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from dbrestore.contract.approval import AWAITING
from infrastructure import names, telling
from infrastructure.alarms import undelivered
from infrastructure.settings import Settings
from infrastructure.telling import SOURCE
from lambdas.configuration import access as access_configuration
from lambdas.configuration import answers as answer_configuration
from lambdas.configuration.access import fits
from lambdas.configuration.answer_kinds import KINDS
from lambdas.configuration.answers import Answer, AnswerConfiguration
from lambdas.configuration.connections import Connection

# A day, as EventBridge has it by itself: an answer that is older helps nobody.
GIVEN_UP_AFTER: Final = Duration.hours(24)
# Ticket systems bound their callers; a restore tells a handful of things in hours.
CALLS_PER_SECOND: Final = 5
# The moments of the configuration, by what the bus calls them.
KINDS_OF_EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "started": ("Restore Started",),
    "phases": ("Phase Changed",),
    "refused": ("Restore Refused",),
    "succeeded": ("Restore Succeeded", "Swap Succeeded"),
    "failed": ("Restore Failed", "Swap Failed"),
    "leftovers": ("Cleanup Incomplete",),
    "drill": ("Drill Completed",),
    "objective": ("Objective Missed",),
}
# EventBridge takes this header from no connection, and a connection must have one: it says nothing.
NOTHING: Final = ("X-Sent-By", "dbrestore")
_at = events.EventField.from_path


def answered(scope: Construct, settings: Settings) -> sqs.Queue | None:
    """The rules, destinations and connections that the configuration asks for. Returns the queue of what could not be delivered, None
    without an answer."""
    access = access_configuration.read(settings.access_configuration)
    configuration = answer_configuration.read(settings.answer_configuration, access.names)
    if not configuration.answers:
        return None
    queue = undelivered(scope, settings.prefix, "UndeliveredAnswers", names.UNDELIVERED_ANSWERS)
    Answers(scope, settings.prefix, configuration, access.names, queue).make()
    return queue


class Answers:
    """What is made for the answers of one installation. `known`: the names of all callers, of whom patterns choose."""

    def __init__(self, scope: Construct, prefix: str, configuration: AnswerConfiguration, known: tuple[str, ...], queue: sqs.Queue) -> None:
        self._scope = scope
        self._prefix = prefix
        self._configuration = configuration
        self._known = known
        self._queue = self._letters(queue)
        self._connections = {one.name: self._connection(one) for one in configuration.connections}

    def make(self) -> None:
        """Make them all."""
        for answer in self._configuration.answers:
            destination = events.ApiDestination(
                self._scope,
                f"Destination-{answer.name}",
                api_destination_name=self._named(answer.name),
                description=f"dbrestore: where {answer.name} is told",
                connection=self._connections[answer.connection],
                endpoint=answer.url,
                http_method=events.HttpMethod(KINDS[answer.to].method),
                rate_limit_per_second=CALLS_PER_SECOND,
            )
            patterns = dict(self._patterns(answer))
            role = self._role(answer, destination, [self._rule_arn(name) for name in patterns])
            for name, pattern in patterns.items():
                self._rule(name, pattern, answer, destination, role)

    def _letters(self, queue: sqs.Queue) -> sqs.IQueue:
        """The queue as rules know it. One statement lets all of them in: the CDK would write one for each, and a queue's policy has
        room for 20 (SQS Developer Guide, "Quotas related to policies")."""
        mine = [self._rule_arn(self._named(f"{kind}-*")) for kind in ("answer", "approval")]
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": mine}},
            )
        )
        return sqs.Queue.from_queue_arn(self._scope, "AnswersNotTaken", queue.queue_arn)

    def _named(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _rule_arn(self, name: str) -> str:
        return f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/{name}"

    def _connection(self, connection: Connection) -> events.Connection:
        secret = SecretValue.secrets_manager(connection.secret)
        in_body = {connection.key: events.HttpParameter.from_secret(secret)} if connection.key else None
        return events.Connection(
            self._scope,
            f"Connection-{connection.name}",
            connection_name=self._named(connection.name),
            description=f"dbrestore: how answers prove who sends them ({connection.by})",
            authorization=_AUTHORIZATIONS[connection.by](connection, secret),
            body_parameters=in_body,
        )

    def _patterns(self, answer: Answer) -> Iterator[tuple[str, events.EventPattern]]:
        """By the rule's name. That a restore waits for a second person is a phase among others, so it has a rule of its own."""
        kinds = [kind for moment in answer.when if moment != "approval" for kind in KINDS_OF_EVENTS[moment]]
        if kinds:
            yield self._named(f"answer-{answer.name}"), self._pattern(answer, kinds)
        if "approval" in answer.when:
            yield self._named(f"approval-{answer.name}"), self._pattern(answer, [*KINDS_OF_EVENTS["phases"]], phase=[AWAITING])

    def _pattern(self, answer: Answer, kinds: list[str], **detail: list[str]) -> events.EventPattern:
        kind = KINDS[answer.to]
        notice: dict[str, Any] = {}
        if answer.callers:
            notice["caller"] = [name for name in self._known if fits(name, answer.callers)]
        if kind.has_ticket:
            notice["hasTicket"] = [True]
        status = {"status": ["FAILED"]} if kind.opens_incidents else {}
        return events.EventPattern(
            source=[SOURCE],
            detail_type=kinds,
            resources=telling.of_installation(self._prefix),
            detail={**detail, **status, **({"notice": notice} if notice else {})} or None,
        )

    def _role(self, answer: Answer, destination: events.ApiDestination, rules: list[str]) -> iam.Role:
        """For these rules alone (EventBridge User Guide, "Cross-service confused deputy prevention")."""
        conditions = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnEquals": {"aws:SourceArn": rules}}
        return iam.Role(
            self._scope,
            f"AnswerRole-{answer.name}",
            role_name=f"{self._named(f'answer-{answer.name}')}-{Aws.REGION}",
            description=f"dbrestore: with which EventBridge tells {answer.name}",
            assumed_by=iam.ServicePrincipal("events.amazonaws.com", conditions=conditions),
        )

    def _rule(
        self, name: str, pattern: events.EventPattern, answer: Answer, destination: events.ApiDestination, role: iam.Role
    ) -> events.Rule:
        kind = KINDS[answer.to]
        headers = {**kind.headers, **({"From": answer.sender} if answer.sender else {})}
        target = targets.ApiDestination(
            destination,
            event=events.RuleTargetInput.from_object(_BODIES[answer.to](answer)),
            event_role=role,
            header_parameters=headers or None,
            path_parameter_values=["$.detail.notice.ticket"] if kind.has_ticket else None,
            dead_letter_queue=self._queue,
            retry_attempts=answer.retries,
            max_event_age=GIVEN_UP_AFTER,
        )
        return events.Rule(
            self._scope,
            name.removeprefix(f"{self._prefix}-"),
            rule_name=name,
            description=f"dbrestore: tell {answer.name} of what happened to restores",
            event_pattern=pattern,
            targets=[target],
        )


def _basic(connection: Connection, secret: SecretValue) -> events.Authorization:
    return events.Authorization.basic(connection.user or "", secret)


def _header(connection: Connection, secret: SecretValue) -> events.Authorization:
    value = SecretValue.unsafe_plain_text(f"{connection.prefix}{secret.unsafe_unwrap()}") if connection.prefix else secret
    return events.Authorization.api_key(connection.header or "", value)


def _oauth(connection: Connection, secret: SecretValue) -> events.Authorization:
    # EventBridge sends no grant_type by itself.
    body = {"grant_type": "client_credentials", **connection.parameters}
    return events.Authorization.oauth(
        authorization_endpoint=connection.token_url or "",
        client_id=connection.client_id or "",
        client_secret=secret,
        http_method=events.HttpMethod.POST,
        body_parameters={key: events.HttpParameter.from_string(value) for key, value in body.items()},
    )


def _nothing(connection: Connection, secret: SecretValue) -> events.Authorization:
    name, value = NOTHING
    return events.Authorization.api_key(name, SecretValue.unsafe_plain_text(value))


def _text(answer: Answer) -> str:
    return _at("$.detail.notice.details" if answer.details else "$.detail.notice.text")


def _incident(answer: Answer) -> dict[str, Any]:
    """Told twice it is one incident: the key is the restore's."""
    return {
        "event_action": "trigger",
        "dedup_key": _at("$.detail.restoreId"),
        "client": "dbrestore",
        "payload": {
            "summary": _at("$.detail.notice.text"),
            "source": _at("$.detail.restoreId"),
            "severity": _at("$.detail.notice.severity"),
            "custom_details": {"text": _text(answer)},
        },
    }


def _message(answer: Answer) -> dict[str, Any]:
    """Text that is plain calls nobody by name, whatever it says; `text` is what notifications show."""
    block = {"type": "section", "text": {"type": "plain_text", "text": _text(answer), "emoji": False}}
    return {"channel": answer.channel, "text": _at("$.detail.notice.text"), "blocks": [block], "unfurl_links": False}


def _generic(answer: Answer) -> dict[str, Any]:
    """The envelope of Standard Webhooks, without their signature, which EventBridge can't make."""
    return {
        "type": "dbrestore.restore",
        "id": _at("$.id"),
        "timestamp": _at("$.time"),
        "data": {
            "kind": _at("$.detail-type"),
            "restoreId": _at("$.detail.restoreId"),
            "mode": _at("$.detail.mode"),
            "status": _at("$.detail.status"),
            "severity": _at("$.detail.notice.severity"),
            "ticket": _at("$.detail.notice.ticket"),
            "caller": _at("$.detail.notice.caller"),
            "text": _text(answer),
        },
    }


_AUTHORIZATIONS: Final[Mapping[str, Callable[[Connection, SecretValue], events.Authorization]]] = {
    "basic": _basic,
    "header": _header,
    "oauth": _oauth,
    "bodyKey": _nothing,
}
_BODIES: Final[Mapping[str, Callable[[Answer], dict[str, Any]]]] = {
    "servicenow": lambda answer: {answer.field or "work_notes": _text(answer)},
    "jira": lambda answer: {"body": _text(answer)},
    "jira-service-management": lambda answer: {"body": _text(answer), "public": bool(answer.public)},
    "github": lambda answer: {"body": _text(answer)},
    "zendesk": lambda answer: {"ticket": {"comment": {"body": _text(answer), "public": bool(answer.public)}}},
    "pagerduty-note": lambda answer: {"note": {"content": _text(answer)}},
    "pagerduty-event": _incident,
    "slack": _message,
    "generic": _generic,
}
