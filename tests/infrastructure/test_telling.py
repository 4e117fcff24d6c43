"""People are told of ends in one line, and CloudWatch has one page of what the metrics say where it is asked for."""

import json
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern
from moto.events.utils import EventTemplateParser

from dbrestore.contract.record import RestoreEvent

from .conftest import ROOT, Template, synthesise, template_of
from .test_alarms import OWN

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

KINDS = (
    "Restore Succeeded",
    "Restore Failed",
    "Swap Succeeded",
    "Swap Failed",
    "Cleanup Incomplete",
    "Drill Completed",
    "Objective Missed",
)
TOPIC = "dbrestore-restores"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """With somebody to tell, and a dashboard."""
    folder = synthesise(
        tmp_path_factory.mktemp("told") / "out",
        restoreAddresses="dba@example.com",
        dashboard="true",
        drillConfiguration=str(ROOT / "examples" / "configuration" / "drills.json"),
    )
    return template_of(folder, "DbrestoreControl")


def event(kind: str, **detail: Any) -> dict[str, Any]:
    """As EventBridge hands it to rules."""
    values: dict[str, Any] = {
        "restore_id": "r-0123456789ab",
        "execution_arn": "arn:aws:states:eu-central-1:123456789012:execution:dbrestore:restore-1",
        "status": "SUCCEEDED",
        "target": "arn:aws:rds:eu-central-1:123456789012:db:orders",
        "started_at": "2027-01-31T02:00:00Z",
        **detail,
    }
    read = RestoreEvent.model_validate(values)
    resources = [values["execution_arn"]]
    return {"source": "dbrestore.restore", "detail-type": kind, "resources": resources, "detail": json.loads(read.to_json())}


def _rules(control: Template) -> list[dict[str, Any]]:
    (topic,) = [id_ for id_, one in control.of_type("AWS::SNS::Topic").items() if one["TopicName"] == TOPIC]
    return [rule for rule in control.of_type("AWS::Events::Rule").values() if rule["Targets"][0]["Arn"] == topic]


def _messages(control: Template, heard: dict[str, Any]) -> list[str]:
    """What is published of an event."""
    about_it = {"id": "", "time": 0, "version": "0", "account": "", "region": "", "resources": [], "ingestion-time": 0}
    found = []
    for rule in _rules(control):
        if EventPattern.load(json.dumps(rule["EventPattern"])).matches_event({**about_it, **heard}):
            transformer = rule["Targets"][0]["InputTransformer"]
            paths = transformer["InputPathsMap"]
            found.append(str(EventTemplateParser.parse(transformer["InputTemplate"], paths, {**about_it, **heard})))  # type: ignore[typeddict-item]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_an_end_is_one_line_by_one_rule(control: Template, kind: str) -> None:
    well = event(kind, mode="drill", drill_name="weekly", ended_at="2027-01-31T02:10:00Z")
    badly = event(kind, status="FAILED", error={"name": "BackupDamaged", "message": "<b>\n"})
    begin = f"dbrestore: {kind}: r-0123456789ab (a"
    into = "into arn:aws:rds:eu-central-1:123456789012:db:orders)"
    more = "To read more: dbrestore report r-0123456789ab"

    assert _messages(control, well) == [f"{begin} drill {into}: SUCCEEDED. {more}"]
    assert _messages(control, badly) == [f"{begin} restore {into}: FAILED, BackupDamaged. {more}"]


def test_nobody_is_told_of_what_goes_on(control: Template) -> None:
    assert _messages(control, event("Restore Started", status="RUNNING", phase="PlanRestore")) == []
    assert _messages(control, event("Phase Changed", status="RUNNING", phase="ReplayDumps")) == []
    assert _messages(control, {**event("Restore Succeeded"), "source": "somebody.else"}) == []


def test_another_installation_of_the_account_tells_its_own_people(control: Template) -> None:
    others = "arn:aws:states:eu-central-1:123456789012:execution:dbrestore-two:restore-1"

    assert _messages(control, event("Restore Succeeded", execution_arn=others)) == []


def test_a_line_holds_nothing_that_somebody_else_wrote(control: Template) -> None:
    """A database's name and an error's message may say anything; a filled-in line must stay one, and the text of a template is bounded."""
    shown = {path for rule in _rules(control) for path in rule["Targets"][0]["InputTransformer"]["InputPathsMap"].values()}

    assert shown == {
        "$.detail-type",
        *(f"$.detail.{name}" for name in ("restoreId", "mode", "target", "status", "error.name")),
    }


def test_the_events_that_people_are_told_of_are_those_that_the_code_sends() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "lambdas").rglob("*.py"))

    assert all(f'"{kind}"' in texts for kind in KINDS)


def test_the_bus_alone_may_publish_and_only_with_tls(control: Template) -> None:
    (topic,) = [id_ for id_, one in control.of_type("AWS::SNS::Topic").items() if one["TopicName"] == TOPIC]
    (policy,) = [one for one in control.of_type("AWS::SNS::TopicPolicy").values() if one["Topics"] == [topic]]

    allowed = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]

    assert {(s["Principal"]["Service"], s["Action"], s["Resource"]) for s in allowed} == {("events.amazonaws.com", "sns:Publish", topic)}
    assert [s["Condition"] for s in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_mail_goes_to_whom_the_context_names(told: Template, control: Template) -> None:
    (one,) = told.of_type("AWS::SNS::Subscription").values()

    assert (one["Protocol"], one["Endpoint"]) == ("email", "dba@example.com")
    assert told.of_type("AWS::SNS::Topic")[one["TopicArn"]]["TopicName"] == TOPIC
    assert not control.of_type("AWS::SNS::Subscription")


def test_there_is_a_dashboard_where_it_is_asked_for_with_metrics_that_are_written(told: Template, control: Template) -> None:
    page = told.only("AWS::CloudWatch::Dashboard", DashboardName="dbrestore")
    widgets = json.loads(page["DashboardBody"])["widgets"]
    lines = [line for widget in widgets for line in widget["properties"]["metrics"]]
    written = {name for path in (ROOT / "lambdas").rglob("*.py") for name in OWN.findall(path.read_text())}

    own = {line[1] for line in lines if line[0] == "dbrestore"}
    searches = [line[0]["expression"] for line in lines if isinstance(line[0], dict)]
    queues = [line for line in lines if line[0] == "AWS/SQS"]

    assert own == {
        *("PassedDrills", "FailedDrills", "SkippedDrills", "Leftovers", "Strays", "EvidenceFailures", "UnexpectedErrors", "CleanUps"),
        "UnsentEvents",
    }
    assert own <= written
    assert searches == [
        "SEARCH('{dbrestore,outcome,engine,mode} MetricName=\"Restores\"', 'Sum', 86400)",
        "SEARCH('{dbrestore,outcome,engine,mode} MetricName=\"RestoreSeconds\"', 'Maximum', 86400)",
    ]
    assert len(queues) == 2
    assert not control.of_type("AWS::CloudWatch::Dashboard")


def test_the_words_of_the_context_are_in_the_file_that_operators_change() -> None:
    context = json.loads(Path(ROOT / "cdk.json").read_text())["context"]

    assert (context["restoreAddresses"], context["dashboard"]) == ("", False)
