"""`dbrestore approve` and `reject`: the second person's word reaches the API by key or signature, and refusals come back."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.cli import control, http_api, main
from dbrestore.contract.exit_code import ExitCode
from tests.statemachine.api_calls import ACCESS, KEYS, answered, call, configure, event
from tests.statemachine.conftest import world
from tests.statemachine.world import MACHINE_ARN, World

__all__ = ["world"]

DBA_SESSION = "arn:aws:sts::123456789012:assumed-role/dba/jane"
REQUEST = {"target": {"dbInstance": "orders-prod"}, "databases": [{"name": "orders", "as": "orders_restored"}]}


class Served:
    """The API's function behind a port of this computer: who calls is taken from the key, or from a signature, unchecked."""

    def __init__(self, world: World) -> None:
        self.signatures: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                key = self.headers.get("x-api-key")
                outer.signatures.append(self.headers.get("Authorization", ""))
                caller = next((name for name, id_ in KEYS.items() if id_ == key), "nobody") if key else DBA_SESSION
                answer = answered(world, event("POST", self.path.removeprefix("/live"), body, caller=caller))
                self.send_response(answer.status)
                self.end_headers()
                self.wfile.write(answer.text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/live"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def served(world: World, tmp_path: Path) -> Iterator[Served]:
    rules = [{**ACCESS["rules"][0], "approval": "second-person"}, *ACCESS["rules"][1:]]
    configure(world, tmp_path, {**ACCESS, "rules": rules})
    api = Served(world)
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "apiUrl": api.url,
    }
    boto3.client("ssm").put_parameter(Name=control.Account().signpost, Value=json.dumps(parts), Type="String")
    for name in (http_api.URL, http_api.KEY):
        world.patch.delenv(name, raising=False)
    yield api
    api.server.shutdown()
    api.server.server_close()


def waiting(world: World) -> tuple[str, str]:
    """A restore that waits for a second person, and its execution."""
    accepted = call(world, "POST", "/v1/restores", REQUEST, key="INC-7").json
    while call(world, "GET", f"/v1/restores/{accepted['id']}").json["status"] != "WAITING_FOR_APPROVAL":
        threading.Event().wait(0.05)
    steps = boto3.client("stepfunctions")
    return accepted["id"], steps.list_executions(stateMachineArn=MACHINE_ARN)["executions"][0]["executionArn"]


def test_a_signature_approves_and_the_restore_goes_on(world: World, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id, execution = waiting(world)

    assert main.run(["approve", restore_id, "--reason", "seen", "--json"]) == ExitCode.DONE

    told = json.loads(capsys.readouterr().out)
    assert (told["restoreId"], told["decision"], told["reason"]) == (restore_id, "approved", "seen")
    assert served.signatures[0].startswith("AWS4-HMAC-SHA256 ")
    assert "/execute-api/aws4_request" in served.signatures[0]
    assert world.wait(execution)["status"] == "SUCCEEDED"


def test_a_rejection_ends_it(world: World, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id, execution = waiting(world)

    assert main.run(["reject", restore_id, "--reason", "wrong instance"]) == ExitCode.DONE

    assert f"{restore_id} is rejected by" in capsys.readouterr().out
    assert world.wait(execution)["error"] == "ApprovalRefused"


def test_a_key_of_who_asked_is_refused_by_name(world: World, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id, execution = waiting(world)
    world.patch.setenv(http_api.KEY, KEYS["tickets"])

    assert main.run(["approve", restore_id]) == ExitCode.USAGE

    assert "NotPermitted" in (told := capsys.readouterr().err)
    assert "lets tickets approve" in told
    world.patch.delenv(http_api.KEY)
    main.run(["reject", restore_id])
    world.wait(execution)


def test_without_an_api_there_is_a_sentence(world: World, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id, execution = waiting(world)
    parts = {"stateMachineArn": MACHINE_ARN, "ledgerTable": "ledger", "repositoryBucket": "r", "evidenceBucket": "e"}
    boto3.client("ssm").put_parameter(Name=control.Account().signpost, Value=json.dumps(parts), Type="String", Overwrite=True)

    assert main.run(["approve", restore_id]) == ExitCode.NOT_FOUND

    assert "has no HTTP API" in capsys.readouterr().err
    call(world, "POST", f"/v1/restores/{restore_id}/cancel")
    world.wait(execution)


def test_a_key_goes_nowhere_in_the_clear(world: World, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id, execution = waiting(world)
    world.patch.setenv(http_api.URL, "http://api.example.com/live")
    world.patch.setenv(http_api.KEY, "secret-key")

    assert main.run(["approve", restore_id]) == ExitCode.NOT_FOUND

    assert "secret-key" not in (told := capsys.readouterr().err)
    assert "isn't an https:// address" in told
    call(world, "POST", f"/v1/restores/{restore_id}/cancel")
    world.wait(execution)
