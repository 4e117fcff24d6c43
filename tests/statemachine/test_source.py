"""The definition is made from its source, and the committed file is what the source makes."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbrestore.contract import errors, pauses
from statemachine import asl, definition, retries
from tests.statemachine.test_definition import STATES, levels

ROOT = Path(__file__).parents[2]


def test_the_committed_definition_is_what_the_source_makes() -> None:
    assert definition.FILE.read_bytes() == definition.text().encode(), "run `make docs`"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b'"MaxConcurrency": 4', b'"MaxConcurrency": 5'),
        lambda content: content + b" ",
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content + b"\xff",
    ],
    ids=["a number", "a blank at the end", "another end of line", "no text"],
)
def test_a_definition_changed_by_hand_is_told_with_what_to_do(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    for folder in ("docs", "statemachine"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    committed = tmp_path / "statemachine" / definition.FILE.name
    committed.write_bytes(change(committed.read_bytes()))

    found = generate(tmp_path, "--check")

    assert found.returncode == 1
    assert found.stderr == (
        "statemachine/restore_databases.asl.json isn't what its source makes: change the source, not this file, and run `make docs`\n"
    )
    assert generate(tmp_path).returncode == 0
    assert committed.read_bytes() == definition.FILE.read_bytes()


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """docs/generate.py of that folder, which finds the definition's source there and everything else where it is installed."""
    return subprocess.run(
        [sys.executable, str(root / "docs" / "generate.py"), *arguments],
        env={"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_function_of_the_flow_is_a_task_of_the_source() -> None:
    tasks = [name for level in levels(definition.MACHINE) for name, state in level["States"].items() if state["Type"] == "Task"]

    assert sorted(tasks) == sorted(STATES)


def test_every_pause_belongs_to_a_state() -> None:
    named = {name for name, value in vars(pauses).items() if isinstance(value, pauses.Pauses)}
    trees = [ast.parse((ROOT / "statemachine" / name).read_text()) for name in ("definition.py", "tasks.py")]

    used = {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "pauses"
    }

    assert used == {*named, "APPROVAL_LOOK_SECONDS", "ARCHIVE_LOOK_SECONDS"}


def test_the_fields_of_a_state_come_in_one_order_and_none_is_null() -> None:
    made = asl.task("CopyRows", Next="Done", ResultPath=None, Comment="Copies.")

    assert list(made.fields.items()) == [
        ("Type", "Task"),
        ("Comment", "Copies."),
        ("Resource", "${CopyRows}"),
        ("ResultPath", None),
        ("Next", "Done"),
    ]


def test_a_rule_with_several_comparisons_wants_all_of_them() -> None:
    present, text = asl.compare("$.a", IsPresent=True), asl.compare("$.a", IsString=True)

    assert asl.when(present, then="Next") == {"Variable": "$.a", "IsPresent": True, "Next": "Next"}
    assert asl.when(present, text, then="Next") == {"And": [present, text], "Next": "Next"}


def test_two_states_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name: Once, Twice, Twice"):
        asl.flow(*(asl.state(name, Type="Succeed") for name in ("Once", "Twice", "Twice")))


def test_a_look_is_a_retry_after_not_ready_with_the_numbers_of_the_pauses() -> None:
    assert retries.look_again(pauses.Pauses(7, 1.5, 90, looks_at_most=11)) == {
        "ErrorEquals": ["NotReady"],
        "IntervalSeconds": 7,
        "BackoffRate": 1.5,
        "MaxDelaySeconds": 90,
        "MaxAttempts": 11,
    }


def test_errors_are_named_as_their_classes_are() -> None:
    assert asl.catch(errors.BackupArchived, into="$.why", then="Again") == {
        "ErrorEquals": ["BackupArchived"],
        "ResultPath": "$.why",
        "Next": "Again",
    }
