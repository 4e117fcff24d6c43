"""A question to a function: its answer, its error under its own name, and what is told when there is no such function."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from moto.awslambda_simple.models import LambdaSimpleBackend

from dbrestore.cli import control, examination
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.contract.deployed import versions
from dbrestore.contract.document import Document
from dbrestore.contract.errors import ControlPlaneNotFound, RestoreError, RestoreFailed, TargetNotFound
from dbrestore.contract.sqlserver_errors import NativeBackupOptionMissing
from tests.statemachine.conftest import world
from tests.statemachine.plain_moto import serve
from tests.statemachine.world import MACHINE_ARN, World

__all__ = ["world"]

FUNCTION = MACHINE_ARN.replace(":states:", ":lambda:").replace(":stateMachine:dbrestore", ":function:Ask")


class Question(Document):
    db_instance: str


class Reply(Document):
    seen: str


@pytest.fixture
def plane(world: World) -> ControlPlane:
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": {"Ask": FUNCTION},
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")
    return control.find(Account())


def test_the_answer_is_the_functions(world: World, plane: ControlPlane) -> None:
    serve(world.patch, lambda name, event: {"seen": f"{name} was asked for {event['dbInstance']}"})

    assert examination.ask(plane, "Ask", Question(db_instance="shop"), Reply).seen == "Ask was asked for shop"


@pytest.mark.parametrize("kind", [TargetNotFound, NativeBackupOptionMissing])
def test_an_error_comes_back_under_its_own_name(world: World, plane: ControlPlane, kind: type[RestoreError]) -> None:
    serve(world.patch, fails_with(kind("no such thing: look again")))

    with pytest.raises(kind, match="no such thing: look again"):
        examination.ask(plane, "Ask", Question(db_instance="shop"), Reply)


def test_an_error_without_a_name_of_ours_says_which_function_and_where_to_look(world: World, plane: ControlPlane) -> None:
    serve(world.patch, fails_with(KeyError("x")))

    with pytest.raises(RestoreFailed, match=r"Ask ended with KeyError: 'x'.*CloudWatch"):
        examination.ask(plane, "Ask", Question(db_instance="shop"), Reply)


def test_what_a_newer_function_tells_besides_is_ignored(world: World, plane: ControlPlane) -> None:
    serve(world.patch, lambda _name, _event: {"seen": "shop", "weather": "fine"})

    assert examination.ask(plane, "Ask", Question(db_instance="shop"), Reply).seen == "shop"


@pytest.mark.parametrize(("answer", "where"), [({"found": "shop"}, "seen: Field required"), ("shop", "all of it: ")])
def test_an_answer_of_another_version_that_cannot_be_read_says_so(world: World, plane: ControlPlane, answer: Any, where: str) -> None:
    serve(world.patch, lambda _name, _event: answer)

    with pytest.raises(RestoreFailed, match=f"Ask gave an answer .*{versions.NUMBER}.*{where}.*are of another version"):
        examination.ask(plane, "Ask", Question(db_instance="shop"), Reply)


def test_a_question_is_never_sent_twice(world: World, plane: ControlPlane) -> None:
    asked: list[str] = []

    def breaks(_backend: Any, function_name: str, *_: Any) -> bytes:
        asked.append(function_name)
        raise ReadTimeoutError(endpoint_url="https://lambda")

    world.patch.setattr(LambdaSimpleBackend, "invoke", breaks)

    with pytest.raises(ReadTimeoutError):
        examination.ask(plane, "Ask", Question(db_instance="shop"), Reply)
    assert len(asked) == 1


def test_an_older_deployment_is_told_to_be_deployed_again(plane: ControlPlane) -> None:
    older = replace(plane, functions={})

    with pytest.raises(ControlPlaneNotFound, match="has no function Ask: deploy this version"):
        examination.ask(older, "Ask", Question(db_instance="shop"), Reply)


def fails_with(error: Exception) -> Callable[[str, Any], Any]:
    def call(_name: str, _event: Any) -> Any:
        raise error

    return call
