"""A rule's API destination is really called: a server of the tests sees what EventBridge sends."""

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from localcloud.cloud import Cloud
from localcloud.flow import api_destinations
from localcloud.flow.api_destinations import RECORD

ROLE_TRUST = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str
    at: float = field(default_factory=time.monotonic)


class Receiver:
    """The ticketing system. It answers what `answers` holds, in turn, then 200: status, headers, body, and the seconds before."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answers: list[tuple[int, dict[str, str], bytes, float]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                receiver.seen.append(Seen(self.command, self.path, dict(self.headers), body))
                status, headers, text, seconds = receiver.answers.pop(0) if receiver.answers else (200, {}, b"", 0.0)
                time.sleep(seconds)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def do_POST(self) -> None:
                self.answer()

            def do_PATCH(self) -> None:
                self.answer()

            def log_message(self, format: str, *arguments: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def wait(self, count: int = 1) -> list[Seen]:
        return _eventually(lambda: self.seen if len(self.seen) >= count else None)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.server.shutdown()
    running.server.server_close()


def _eventually(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (seen := look()):
        assert time.monotonic() < deadline, "It never came."
        time.sleep(0.02)
    return seen


QUEUE = {"Fn::GetAtt": ["Queue", "Arn"]}
BASIC = {"AuthorizationType": "BASIC", "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "p"}}}


def _role(*, allowed: bool) -> dict[str, Any]:
    invoke = {"Effect": "Allow", "Action": "events:InvokeApiDestination" if allowed else "s3:GetObject", "Resource": "*"}
    policy = {"PolicyName": "call", "PolicyDocument": {"Version": "2012-10-17", "Statement": [invoke]}}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [ROLE_TRUST]}, "Policies": [policy]}}


def _letters() -> dict[str, Any]:
    """Lets EventBridge into the queue."""
    send = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": QUEUE}
    document = {"Version": "2012-10-17", "Statement": [send]}
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": document}}


def _stack(
    url: str,
    connection: Mapping[str, Any],
    source: str,
    *,
    method: str = "POST",
    allowed: bool = True,
    queue_open: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """A connection, a destination, and a rule that leads events of `source` to it, with a dead-letter queue."""
    attributes = {name: {"Fn::GetAtt": [name, "Arn"]} for name in ("Destination", "Role", "Connection")}
    target = {"Id": "t", "Arn": attributes["Destination"], "RoleArn": attributes["Role"], "DeadLetterConfig": {"Arn": QUEUE}, **more}
    called = {"Name": source, "ConnectionArn": attributes["Connection"], "InvocationEndpoint": url, "HttpMethod": method}
    described = {
        "Role": _role(allowed=allowed),
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": source}},
        "Connection": {"Type": "AWS::Events::Connection", "Properties": {"Name": source, **connection}},
        "Destination": {"Type": "AWS::Events::ApiDestination", "Properties": called},
        "Rule": {"Type": "AWS::Events::Rule", "Properties": {"Name": source, "EventPattern": {"source": [source]}, "Targets": [target]}},
    }
    return {"Resources": {**described, "Letters": _letters()} if queue_open else described}


def _told(cloud: Cloud, url: str, connection: Mapping[str, Any] = BASIC, **stack: Any) -> str:
    """The source of an event that was put after its stack was made."""
    source = f"told-{uuid.uuid4().hex[:8]}"
    cloud.client("cloudformation").create_stack(StackName=source, TemplateBody=json.dumps(_stack(url, connection, source, **stack)))
    entry = {"Source": source, "DetailType": "restore ended", "Detail": json.dumps({"restoreId": "r-1", "status": "FAILED"})}
    cloud.client("events").put_events(Entries=[entry])
    return source


def _letter(cloud: Cloud, source: str) -> dict[str, Any]:
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=source)["QueueUrl"]
    received = _eventually(lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"))[0]
    attributes = {name: value["StringValue"] for name, value in received["MessageAttributes"].items()}
    return {"body": json.loads(received["Body"]), **attributes}


def _record(cloud: Cloud, source: str) -> list[dict[str, Any]]:
    path = cloud.directory / RECORD
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in map(json.loads, lines) if f"/{source}/" in line["target"]]


def test_an_event_is_the_body_of_a_call_with_eventbridges_headers(cloud: Cloud, receiver: Receiver) -> None:
    source = _told(cloud, f"{receiver.url}/tickets?fixed=1")

    call = receiver.wait()[0]

    assert (call.method, call.target) == ("POST", "/tickets?fixed=1")
    assert call.headers["Authorization"] == "Basic dTpw"
    assert call.headers["User-Agent"] == "Amazon/EventBridge/ApiDestinations"
    assert call.headers["Content-Type"] == "application/json; charset=utf-8"
    body = json.loads(call.body)
    assert (body["source"], body["detail"]) == (source, {"restoreId": "r-1", "status": "FAILED"})
    assert "ingestion-time" not in body
    assert _eventually(lambda: _record(cloud, source))[0] | {"at": "", "target": "", "event": ""} == {
        **{"at": "", "kind": "delivered", "status": 200},
        **{"target": "", "attempt": 1, "event": ""},
    }


def test_the_connections_parameters_win_over_the_targets_and_fill_path_query_and_body(cloud: Cloud, receiver: Receiver) -> None:
    def pairs(**values: str) -> list[dict[str, Any]]:
        return [{"Key": key, "Value": value, "IsValueSecret": False} for key, value in values.items()]

    invocation = {
        "HeaderParameters": pairs(both="connection"),
        "QueryStringParameters": pairs(q="a b"),
        "BodyParameters": pairs(added="1"),
    }
    key = {"ApiKeyName": "X-Token", "ApiKeyValue": "secret"}
    connection = {"AuthorizationType": "API_KEY", "AuthParameters": {"ApiKeyAuthParameters": key, "InvocationHttpParameters": invocation}}
    target = {
        "HttpParameters": {
            "HeaderParameters": {"both": "target", "one": "1"},
            "PathParameterValues": ["INC/1"],
            "QueryStringParameters": {"t": "2"},
        },
        "InputTransformer": {"InputPathsMap": {"s": "$.detail.status"}, "InputTemplate": '{"note": "It is <s>"}'},
    }

    _told(cloud, f"{receiver.url}/tickets/*/notes", connection, method="PATCH", **target)

    call = receiver.wait()[0]
    assert (call.method, call.target) == ("PATCH", "/tickets/INC%2F1/notes?t=2&q=a+b")
    assert (call.headers["X-Token"], call.headers["both"], call.headers["one"]) == ("secret", "connection", "1")
    assert json.loads(call.body) == {"note": "It is FAILED", "added": "1"}


def test_a_parameter_that_is_a_path_as_a_whole_comes_from_the_event(cloud: Cloud, receiver: Receiver) -> None:
    parameters = {
        "PathParameterValues": ["$.detail.restoreId", "the $.detail.status"],
        "HeaderParameters": {"X-Status": "$.detail.status"},
        "QueryStringParameters": {"kind": "$.detail-type"},
    }

    _told(cloud, f"{receiver.url}/tickets/*/*", HttpParameters=parameters)

    call = receiver.wait()[0]
    assert (call.target, call.headers["X-Status"]) == ("/tickets/r-1/the%20%24.detail.status?kind=restore+ended", "FAILED")


def test_a_secret_that_a_template_refers_to_is_looked_up(cloud: Cloud, receiver: Receiver) -> None:
    arn = cloud.client("secretsmanager").create_secret(Name=f"s-{uuid.uuid4().hex}", SecretString='{"user": "a", "password": "b:c"}')["ARN"]
    known = {
        name: f"{{{{resolve:secretsmanager:{arn}:SecretString:{key}::}}}}" for name, key in (("Username", "user"), ("Password", "password"))
    }

    _told(cloud, receiver.url, {"AuthorizationType": "BASIC", "AuthParameters": {"BasicAuthParameters": known}})

    assert receiver.wait()[0].headers["Authorization"] == "Basic YTpiOmM="


def test_a_token_is_asked_for_once_and_again_when_it_is_refused(cloud: Cloud, receiver: Receiver) -> None:
    tokens = [(200, {}, json.dumps({"access_token": name}).encode(), 0.0) for name in ("first", "second")]
    receiver.answers = [tokens[0], (401, {}, b"", 0.0), tokens[1], (200, {}, b"", 0.0)]
    oauth = {
        "AuthorizationEndpoint": f"{receiver.url}/token",
        "HttpMethod": "POST",
        "ClientParameters": {"ClientID": "id", "ClientSecret": "secret"},
        "OAuthHttpParameters": {"BodyParameters": [{"Key": "grant_type", "Value": "client_credentials"}]},
    }

    _told(cloud, f"{receiver.url}/api", {"AuthorizationType": "OAUTH_CLIENT_CREDENTIALS", "AuthParameters": {"OAuthParameters": oauth}})

    calls = receiver.wait(4)
    assert [call.target for call in calls] == ["/token", "/api", "/token", "/api"]
    assert parse_qs(calls[0].body) == {"grant_type": ["client_credentials"], "client_id": ["id"], "client_secret": ["secret"]}
    assert calls[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert [calls[1].headers["Authorization"], calls[3].headers["Authorization"]] == ["Bearer first", "Bearer second"]


def test_what_may_be_tried_again_is_with_pauses_that_grow_and_no_shorter_than_asked_for(cloud: Cloud, receiver: Receiver) -> None:
    receiver.answers = [(503, {}, b"", 0.0), (429, {"Retry-After": "60"}, b"", 0.0), (409, {}, b"", 0.0)]

    source = _told(cloud, receiver.url)

    calls = receiver.wait(4)
    pauses = [later.at - earlier.at for earlier, later in itertools.pairwise(calls)]
    # 10, 60 and 40 s at a scale of 100.
    assert pauses[0] >= 0.1
    assert pauses[1] >= 0.6
    assert pauses[2] >= 0.4
    _eventually(lambda: len(_record(cloud, source)) == 4)
    assert [(line["kind"], line["attempt"]) for line in _record(cloud, source)][2:] == [("failed", 3), ("delivered", 4)]


@pytest.mark.parametrize("answer", [(400, {}, b"", 0.0), (302, {"Location": "/x"}, b"", 0.0), (429, {"Retry-After": "-1"}, b"", 0.0)])
def test_what_may_not_be_tried_again_goes_to_the_dead_letter_queue_at_once(
    cloud: Cloud, receiver: Receiver, answer: tuple[int, dict[str, str], bytes, float]
) -> None:
    receiver.answers = [answer]
    source = _told(cloud, receiver.url)

    letter = _letter(cloud, source)

    assert letter["body"]["detail"]["restoreId"] == "r-1"
    assert letter["RULE_ARN"] == f"arn:aws:events:{cloud.region}:{cloud.account}:rule/{source}"
    assert f":api-destination/{source}/" in letter["TARGET_ARN"]
    assert (letter["ERROR_CODE"], letter["RETRY_ATTEMPTS"]) == ("SDK_CLIENT_ERROR", "0")
    assert str(answer[0]) in letter["ERROR_MESSAGE"]
    assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    ("policy", "exhausted", "attempts"),
    [
        ({"MaximumRetryAttempts": 2}, "MaximumRetryAttempts", {3}),
        # The third would come after 30 s, the fourth after 70; the cloud's seconds are short.
        ({"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 60}, "MaximumEventAgeInSeconds", {1, 2, 3}),
    ],
)
def test_the_retry_policy_ends_it(cloud: Cloud, receiver: Receiver, policy: dict[str, int], exhausted: str, attempts: set[int]) -> None:
    receiver.answers = [(500, {}, b"", 0.0)] * 20
    source = _told(cloud, receiver.url, RetryPolicy=policy)

    letter = _letter(cloud, source)

    assert (letter["EXHAUSTED_RETRY_CONDITION"], letter["RETRY_ATTEMPTS"]) == (exhausted, str(len(receiver.seen) - 1))
    assert len(receiver.seen) in attempts


def test_who_is_too_slow_is_called_again_and_gets_the_event_twice(
    cloud: Cloud, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_destinations, "PATIENCE", 0.3)
    receiver.answers = [(200, {}, b"", 1.0)]

    _told(cloud, receiver.url)

    first, second = receiver.wait(2)[:2]
    assert json.loads(first.body)["id"] == json.loads(second.body)["id"]
    assert second.at - first.at >= 0.3


@pytest.mark.parametrize("url", ["https://example.com/x", "http://192.0.2.1/x", "https://localhost/x"])
def test_nobody_but_this_computer_is_called(cloud: Cloud, url: str) -> None:
    source = _told(cloud, url)

    letter = _letter(cloud, source)

    assert letter["ERROR_CODE"] == "REFUSED"
    assert [line["error"] for line in _record(cloud, source) if line["kind"] == "failed"] == ["REFUSED"]


def test_something_here_can_stand_for_a_host(cloud: Cloud, receiver: Receiver) -> None:
    cloud.stand_in("dev1.service-now.example", f"{receiver.url}/as")

    _told(cloud, "https://dev1.service-now.example/api/now")

    call = receiver.wait()[0]
    assert (call.target, call.headers["Host"]) == ("/as/api/now", "dev1.service-now.example")


def test_a_role_that_may_not_call_it_calls_nobody(cloud: Cloud, receiver: Receiver) -> None:
    source = _told(cloud, receiver.url, allowed=False)

    assert _letter(cloud, source)["ERROR_CODE"] == "NO_PERMISSIONS"
    assert receiver.seen == []


def test_a_queue_that_does_not_let_eventbridge_in_loses_the_event(cloud: Cloud, receiver: Receiver) -> None:
    receiver.answers = [(400, {}, b"", 0.0)]
    source = _told(cloud, receiver.url, queue_open=False)

    ended = _eventually(lambda: [line for line in _record(cloud, source) if line["kind"] == "given up"])

    assert ended[0]["queue"] == ""
    url = cloud.client("sqs").get_queue_url(QueueName=source)["QueueUrl"]
    assert "Messages" not in cloud.client("sqs").receive_message(QueueUrl=url)
