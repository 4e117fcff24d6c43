"""The options for PostgreSQL's choices: what comes into the request, and what is refused."""

import json
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.cli import choices, main, request
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.views import choices as choices_view
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.job import PostgresOptions

ALL = [
    "--owner",
    "app=shop owner",
    "--owner",
    "reader",
    "--owner",
    r"a\=b=c",
    "--create-missing-roles",
    "--skip-missing-extensions",
    "--skip-unrestorable",
    "--encoding",
    "UTF8",
    "--locale",
    "C",
    "--verify",
    "counts",
]
IN_A_REQUEST = {
    "owners": {"app": "shop owner", "reader": "reader", "a=b": "c"},
    "roles": "create-missing",
    "extensions": "skip-missing",
    "onUnrestorable": "skip",
    "encoding": "UTF8",
    "locale": "C",
    "verify": "counts",
}


def input_of(plane: ControlPlane, *options: str) -> dict[str, Any]:
    assert main.run(["restore", "shop", "-d", "shop", "--no-wait", *options]) == 0
    [execution] = plane.executions.list_executions(stateMachineArn=plane.state_machine_arn)["executions"]
    asked: dict[str, Any] = json.loads(plane.executions.describe_execution(executionArn=execution["executionArn"])["input"])
    return asked


def test_every_choice_reaches_the_input(plane: ControlPlane) -> None:
    asked = input_of(plane, *ALL)

    assert {key: asked.get(key) for key in IN_A_REQUEST} == IN_A_REQUEST


def test_without_options_nothing_is_chosen(plane: ControlPlane) -> None:
    assert not set(input_of(plane)) & set(IN_A_REQUEST)


def test_plan_and_restore_have_the_same_choices() -> None:
    commands: Any = typer.main.get_command(main.app)
    options = {name: {option for parameter in commands.commands[name].params for option in parameter.opts} for name in ("plan", "restore")}

    offered = {word for word in ALL if word.startswith("--")}
    assert offered <= options["plan"] & options["restore"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--owner", "a", "--owner", "a=b"], "a is given twice"),
        (["--owner", "a=b=c"], "--owner 'a=b=c': write ROLE or ROLE=OWNER"),
        (["--owner", "=b"], "--owner '=b': write ROLE or ROLE=OWNER"),
        (["--verify", "everything"], "--verify"),
    ],
)
def test_what_means_nothing_is_refused_before_anything_starts(
    plane: ControlPlane, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main.run(["restore", "shop", "-d", "shop", "--no-wait", *options]) == 2

    assert words in capsys.readouterr().err
    assert plane.executions.list_executions(stateMachineArn=plane.state_machine_arn)["executions"] == []


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), min_size=1))
def test_any_pair_of_roles_can_be_written(pairs: dict[str, str]) -> None:
    def escaped(name: str) -> str:
        return name.replace("\\", "\\\\").replace("=", "\\=")

    assert choices.owners([f"{escaped(role)}={escaped(owner)}" for role, owner in pairs.items()]) == pairs


def test_a_request_without_choices_is_as_before() -> None:
    with pytest.raises(RestoreRequestInvalid, match=r"^-d 'a=b=c': write NAME or NAME=NEW"):
        request.split_names("a=b=c")


@pytest.mark.parametrize(
    ("chosen", "label", "words"),
    [
        ({"keep_owners": True}, "Owners", "as in the dump, where the target has the role; the rest: a role without login or rights"),
        ({"owners": {"app": "x"}}, "Owners", "app -> x; the rest: a role without"),
        ({}, "Owners", "a role without login or rights, one per database"),
        ({"create_missing_roles": True}, "Roles", "are created, without login or rights"),
        ({"encoding": "LATIN1"}, "Text", "encoding LATIN1, in place of the dump's"),
        ({"encoding": "UTF8", "locale": "C"}, "Text", "encoding UTF8, locale C, in place"),
        ({"skip_unrestorable": True, "skip_missing_extensions": True}, "Left out", "what the target refuses"),
        ({"skip_missing_extensions": True}, "Left out", "extensions that are not offered or not allowed"),
        ({"verify": "content"}, "Proof", "every value is read back and compared"),
        ({"verify": "counts"}, "Proof", "rows are counted, values are not compared"),
    ],
)
def test_each_choice_is_told_in_words(chosen: dict[str, Any], label: str, words: str) -> None:
    told = dict(choices_view.told(PostgresOptions(**chosen)))

    assert words in told[label]


def test_what_was_not_chosen_is_not_told() -> None:
    assert list(dict(choices_view.told(PostgresOptions()))) == ["Owners", "Proof"]
