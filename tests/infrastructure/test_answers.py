"""Whom EventBridge tells of restores, what it sends, with which rights, and what happens to what nobody took."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from moto.events.models import EventPattern

from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import RestoreEvent
from dbrestore.contract.sections import DatabaseOutcome
from infrastructure.answers import KINDS_OF_EVENTS
from lambdas.configuration import answers as answer_configuration
from lambdas.runtime import notices
from localcloud.flow import event_input

from .conftest import ACCOUNT, REGION, ROOT, Template, synthesise, template_of

pytestmark = pytest.mark.xdist_group("templates")

REQUESTS = Path(__file__).parent / "answers"
EXAMPLES = ROOT / "examples" / "configuration"
EXAMPLE = json.loads((EXAMPLES / "answers.json").read_text())
# The caller that each answer is for, and the id of its ticket.
ASKED = {
    "servicenow": ("servicenow", "sys_id_1"),
    "jira": ("jira", "DB-42"),
    "service-desk": ("virtual-agent", "DB-42"),
    "github": ("github", "42"),
    "zendesk": ("zendesk", "35436"),
    "pagerduty": ("pagerduty", "PGR0VU2"),
    "on-call": (None, None),
    "channel": (None, None),
    "changes": ("changes", "CHG-7"),
}


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Template:
    out = tmp_path_factory.mktemp("answers") / "out"
    access, answers = (str(EXAMPLES / f"{name}.json") for name in ("access", "answers"))
    return template_of(synthesise(out, accessConfiguration=access, answerConfiguration=answers), "DbrestoreControl")


def told(kind: str, caller: str | None, ticket: str | None, **detail: Any) -> dict[str, Any]:
    """An event as rules get it. Its error and a database say more than they should."""
    values: dict[str, Any] = {
        "restore_id": "r-0123456789ab",
        "execution_arn": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:dbrestore:api-1",
        "status": "FAILED",
        "error": ErrorNote(name="BackupDamaged", message="member 3 of crm, <script>@here, has another digest"),
        "target": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:orders-test",
        "started_at": "2026-11-24T09:02:00Z",
        "ended_at": "2026-11-24T09:30:00Z",
        "databases": (
            DatabaseOutcome(name="orders", asked_name="orders_42", status="PROMOTED", rows=1234, bytes=1, seconds=1),
            DatabaseOutcome(
                name="crm",
                asked_name="crm",
                status="FAILED",
                rows=0,
                bytes=0,
                seconds=1,
                error=ErrorNote(name="BackupDamaged", message="x"),
            ),
        ),
        "report": "s3://evidence/restores/r-0123456789ab/report.json",
        "ticket": {"system": "any", "id": ticket},
        "caller": caller,
        **detail,
    }
    event = RestoreEvent.model_validate(values)
    event = event.model_copy(update={"notice": notices.of(kind, event)})
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "source": "dbrestore.restore",
        "detail-type": kind,
        "account": ACCOUNT,
        "region": REGION,
        "time": "2026-11-24T09:30:00Z",
        "resources": [event.execution_arn],
        "detail": json.loads(event.to_json()),
    }


def rules(template: Template) -> dict[str, dict[str, Any]]:
    """By their names without the installation's, those of answers alone."""
    named = {rule.get("Name", ""): rule for rule in template.of_type("AWS::Events::Rule").values()}
    return {
        name.removeprefix("dbrestore-"): rule
        for name, rule in named.items()
        if name.startswith(("dbrestore-answer-", "dbrestore-approval-"))
    }


def heard(template: Template, event: dict[str, Any]) -> set[str]:
    """The rules that this event fits."""
    found = rules(template).items()
    return {
        name for name, rule in found if EventPattern.load(json.dumps(rule["EventPattern"])).matches_event({**event, "ingestion-time": 0})
    }


def request(template: Template, rule: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """What EventBridge sends, the connection's part apart."""
    [target] = rule["Targets"]
    destinations = template.of_type("AWS::Events::ApiDestination")
    destination = next(one for id_, one in destinations.items() if id_ in json.dumps(target["Arn"]))
    parameters = target.get("HttpParameters", {})
    url = destination["InvocationEndpoint"]
    for value in parameters.get("PathParameterValues", ()):
        url = url.replace("*", quote(event_input.parameter(value, event), safe=""), 1)
    return {
        "method": destination["HttpMethod"],
        "url": url,
        "headers": parameters.get("HeaderParameters", {}),
        "body": json.loads(event_input.rendered(target, event)),
    }


@pytest.mark.parametrize("name", ASKED)
def test_each_answer_is_the_request_that_its_recipe_shows(answering: Template, name: str) -> None:
    event = told("Restore Failed", *ASKED[name])

    sent = request(answering, rules(answering)[f"answer-{name}"], event)

    assert f"answer-{name}" in heard(answering, event)
    assert sent == json.loads((REQUESTS / f"{name}.json").read_text())


def test_there_is_a_recipe_for_each_answer_of_the_example_and_an_answer_of_each_kind() -> None:
    assert [one["name"] for one in EXAMPLE["answers"]] == list(ASKED) == [name for name in ASKED if (REQUESTS / f"{name}.json").is_file()]
    assert [one["to"] for one in EXAMPLE["answers"]] == list(answer_configuration.KINDS)


def test_a_ticket_of_one_caller_is_never_answered_in_the_system_of_another(answering: Template) -> None:
    everybody = {"answer-on-call", "answer-channel"}

    assert heard(answering, told("Restore Failed", "github", "42")) == {"answer-github", *everybody}
    assert heard(answering, told("Restore Failed", None, "42")) == everybody
    assert heard(answering, told("Restore Failed", "stranger", "42")) == everybody


@pytest.mark.parametrize("id_", ["../../sys_user/1", "42/comments?x=", "4 2", "", "ä", "%2e%2e", "a" * 101, "-42"])
def test_an_id_that_would_lead_elsewhere_is_no_address(answering: Template, id_: str) -> None:
    event = told("Restore Failed", "github", id_)

    assert "answer-github" not in heard(answering, event)
    assert event["detail"]["notice"]["ticket"] == ""


def test_a_good_end_opens_no_incident(answering: Template) -> None:
    good = told("Restore Succeeded", "github", "42", status="SUCCEEDED", error=None)
    passed = told("Drill Completed", None, None, status="SUCCEEDED", mode="drill", drill_name="weekly", error=None)
    failed = told("Drill Completed", None, None, mode="drill", drill_name="weekly")

    assert heard(answering, good) == {"answer-github", "answer-channel"}
    undone = told("Swap Succeeded", "github", "42", status="SUCCEEDED", mode="swap", error=None)
    assert heard(answering, undone) == {"answer-github", "answer-channel"}
    assert heard(answering, passed) == {"answer-channel"}
    assert heard(answering, failed) == {"answer-channel", "answer-on-call"}


def test_a_restore_that_waits_for_a_second_person_has_rules_of_its_own(answering: Template) -> None:
    waiting = told("Phase Changed", "servicenow", "1", status="RUNNING", phase="AwaitApproval", error=None)
    going_on = told("Phase Changed", "servicenow", "1", status="RUNNING", phase="ReplayDumps", error=None)

    assert heard(answering, waiting) == {"approval-servicenow", "approval-channel"}
    assert heard(answering, going_on) == set()
    assert "waits for a second person: dbrestore approve r-0123456789ab" in waiting["detail"]["notice"]["text"]


def test_restores_of_another_installation_are_its_own_to_tell(answering: Template) -> None:
    event = told("Restore Failed", "github", "42", execution_arn=f"arn:aws:states:{REGION}:{ACCOUNT}:execution:second:api-1")

    assert heard(answering, event) == set()


def test_nothing_leaves_the_account_but_what_the_notice_and_few_fixed_places_hold(answering: Template) -> None:
    [paths] = [{path for rule in rules(answering).values() for path in rule["Targets"][0]["InputTransformer"]["InputPathsMap"].values()}]

    assert {path for path in paths if not path.startswith("$.detail.notice.")} == {
        *("$.id", "$.time", "$.detail-type", "$.detail.restoreId", "$.detail.mode", "$.detail.status")
    }


def test_text_of_others_is_told_where_details_are_asked_for_alone_and_calls_nobody() -> None:
    notice = told("Restore Failed", "servicenow", "1")["detail"]["notice"]

    assert "crm" not in notice["text"]
    assert "digest" not in notice["text"]
    assert not set("<>@[]") & set(notice["details"].removeprefix("[dbrestore r-0123456789ab FAILED]"))


def test_every_place_is_a_whole_value(answering: Template) -> None:
    """A text with quotes or lines in it stays one value, whatever EventBridge does inside of texts."""
    for rule in rules(answering).values():
        transformer = rule["Targets"][0]["InputTransformer"]
        template = transformer["InputTemplate"]
        for name in transformer["InputPathsMap"]:
            assert f'"<{name}>' not in template
            assert f":<{name}>" in template
        assert len(template) < 8192


def test_each_rule_may_call_its_own_destination_and_nothing_else(answering: Template) -> None:
    roles = [one for id_, one in answering.of_type("AWS::IAM::Role").items() if id_.startswith("AnswerRole")]
    policies = answering.of_type("AWS::IAM::Policy").values()

    for role in roles:
        [statement] = [one for policy in policies if role["RoleName"] in policy["Roles"] for one in policy["PolicyDocument"]["Statement"]]
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Action"] == "events:InvokeApiDestination"
        assert "*" not in json.dumps(statement["Resource"])
        assert trust["Principal"] == {"Service": "events.amazonaws.com"}
        assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
        sources = trust["Condition"]["ArnEquals"]["aws:SourceArn"]
        assert {arn.rpartition("/")[2] for arn in sources} <= {f"dbrestore-{name}" for name in rules(answering)}
    assert len(roles) == len(ASKED)


def test_what_nobody_took_is_kept_and_rings(answering: Template) -> None:
    queue_id, queue = next((id_, one) for id_, one in answering.of_type("AWS::SQS::Queue").items() if "answers" in one["QueueName"])
    alarm = answering.only("AWS::CloudWatch::Alarm", AlarmName="dbrestore-UndeliveredAnswers")
    [policy] = [one for one in answering.of_type("AWS::SQS::QueuePolicy").values() if queue_id in json.dumps(one["Queues"])]
    [allowed] = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]

    assert queue["MessageRetentionPeriod"] == 14 * 86400
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Condition"]["ArnLike"]["aws:SourceArn"] == [
        f"arn:aws:events:{REGION}:{ACCOUNT}:rule/dbrestore-{kind}-*" for kind in ("answer", "approval")
    ]
    for rule in rules(answering).values():
        [target] = rule["Targets"]
        assert queue_id in json.dumps(target["DeadLetterConfig"])
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 86400


def test_secrets_are_references(answering: Template) -> None:
    connections = answering.of_type("AWS::Events::Connection")
    text = json.dumps(connections)

    assert all(one["secret"] in text for one in EXAMPLE["connections"])
    assert text.count("{{resolve:secretsmanager:") == len(connections) == len(EXAMPLE["connections"])


def test_a_token_is_asked_for_by_client_credentials(answering: Template) -> None:
    connection = answering.only("AWS::Events::Connection", Name="dbrestore-changes")
    body = connection["AuthParameters"]["OAuthParameters"]["OAuthHttpParameters"]["BodyParameters"]

    assert {one["Key"]: one["Value"] for one in body} == {"grant_type": "client_credentials", "scope": "changes.write"}


def test_without_an_answer_nothing_of_it_is_there(control: Template) -> None:
    assert control.of_type("AWS::Events::Connection") == {}
    assert control.of_type("AWS::Events::ApiDestination") == {}
    assert rules(control) == {}
    assert not [one for one in control.of_type("AWS::SQS::Queue").values() if "answers" in one.get("QueueName", "")]


def test_the_moments_are_events_that_the_code_sends() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "lambdas").rglob("*.py"))

    assert all(f'"{kind}"' in texts for kinds in KINDS_OF_EVENTS.values() for kind in kinds)
    assert {*KINDS_OF_EVENTS, "approval"} == set(answer_configuration.Moment.__args__)
