"""What the documents say is held to the code: errors, commands, options, steps, examples, links."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from dbrestore.cli import reference
from dbrestore.cli.main import app
from dbrestore.contract.document import Document
from dbrestore.contract.error_names import ERRORS
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.request_problems import Problems, read
from infrastructure.functions import FUNCTIONS
from lambdas.configuration import drills as drill_configuration

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DEFINITION = json.loads((ROOT / "statemachine" / "restore_databases.asl.json").read_text())
EXAMPLES = sorted((ROOT / "examples").glob("*.json"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def entries(page: str) -> dict[str, str]:
    """The `###` headings of a page and the text below each."""
    parts = re.split(r"^### (.+)$", page, flags=re.M)
    return dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))


def tasks(machine: dict[str, Any]) -> Iterator[str]:
    """The Task states in the order in which the definition holds them, branches where they stand."""
    for name, state in machine["States"].items():
        if state["Type"] == "Task":
            yield name
        for branch in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from tasks(branch)


def test_every_error_a_person_may_meet_has_an_entry_that_says_what_to_do() -> None:
    documented = entries((ROOT / "docs" / "operations.md").read_text())

    assert set(documented) == set(ERRORS)
    assert not [name for name, text in documented.items() if len(text) < 40]


def test_the_table_of_steps_is_the_order_of_states_in_the_definition() -> None:
    table = re.findall(r"^\|.*\| `(\w+)` \| `(lambdas/[\w/]+\.py)` \|$", README, flags=re.M)

    assert [state for state, _ in table] == list(tasks(DEFINITION))


def test_the_table_of_steps_names_the_module_behind_each_state() -> None:
    table = dict(re.findall(r"^\|.*\| `(\w+)` \| `(lambdas/[\w/]+\.py)` \|$", README, flags=re.M))
    modules = {row.state: row.handler.rsplit(".", 1)[0].replace(".", "/") + ".py" for row in FUNCTIONS}

    assert table == {state: module for state, module in modules.items() if state in table}
    assert all((ROOT / module).exists() for module in table.values())


def test_the_reference_of_commands_is_what_help_says() -> None:
    assert (ROOT / "docs" / "commands.md").read_text() == reference.page()


def test_every_command_option_and_exit_code_is_documented_and_every_parameter_has_a_help_text() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()

    for path, command in commands(typer.main.get_command(app), "dbrestore"):
        assert f"## {path}\n" in page
        for parameter in command.params:
            assert getattr(parameter, "help", "") or parameter.name == "help", f"{path} {parameter.name}"
            assert all(name in page for name in parameter.opts if name.startswith("-")), f"{path} {parameter.name}"
    assert all(f"| {int(code)} |" in page for code in ExitCode)


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


@pytest.mark.parametrize("line", [line for line in README.splitlines() if line.startswith("dbrestore ")])
def test_every_command_line_of_the_readme_is_one_that_the_command_takes(line: str) -> None:
    words = re.sub(r"\s+#.*$", "", line).replace('"', "").split()[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]

    # Parsed, not run: a wrong option or a missing argument raises. A group would take any word.
    assert not getattr(command, "commands", {})
    context = command.make_context("dbrestore", words)

    assert context.params


def test_at_most_six_commands_lead_from_a_dump_in_s3_to_a_restored_database() -> None:
    """tests/faults/test_from_the_readme.py runs them. None hides another one in itself."""
    section = README.split("### From a dump in S3 to a restored database\n")[1]
    lines = re.findall(r"```sh\n(.+?)\n```", section, flags=re.S)[0].splitlines()

    assert lines[0].startswith("git clone ")
    assert lines[-1].startswith("dbrestore restore ")
    assert len(lines) <= 6
    assert [line for line in lines if re.search(r"&&|\||;|\\$", line)] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_a_request_that_the_control_plane_takes(path: Path) -> None:
    problems = Problems()

    request = read(json.loads(path.read_text()), problems)

    assert problems.found == []
    assert isinstance(request, RestoreRequest)


def test_one_example_has_every_key_of_a_request() -> None:
    everything = json.loads((ROOT / "examples" / "everything.json").read_text())

    assert keys(everything) == known_keys(RestoreRequest)


def keys(value: Any) -> dict[str, Any]:
    """The keys of nested objects; of a list those of all its objects together."""
    return {name: _inner_keys(inner) for name, inner in value.items()}


def _inner_keys(value: Any) -> dict[str, Any]:
    if not isinstance(value, list):
        return keys(value) if isinstance(value, dict) else {}
    merged: dict[str, Any] = {}
    for one in (item for item in value if isinstance(item, dict)):
        for name, inner in keys(one).items():
            merged[name] = {**merged.get(name, {}), **inner}
    return merged


def known_keys(model: type[Document]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_document(kind)]
        found[field.alias or name] = known_keys(inner[0]) if inner else {}
    return found


def is_document(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Document)


def test_the_request_and_the_drill_of_the_readme_are_valid(tmp_path: Path) -> None:
    request, drill = re.findall(r"```json\n(.+?)\n```", README, flags=re.S)
    declared = tmp_path / "drills.json"
    declared.write_text(f'{{"drills": [{drill}]}}')

    assert RestoreRequest.model_validate_json(request).databases[0].name == "orders"
    assert [one.name for one in drill_configuration.read(declared, datetime.now(UTC)).drills] == ["orders-weekly"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)?(?:#[^)]*)?\)", page.read_text()):
        if target and not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_anchor_is_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / target).read_text() if target else page.read_text()
        headings = {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, flags=re.M)}
        assert anchor in headings, anchor


def test_every_path_that_contributors_are_sent_to_exists() -> None:
    paths = re.findall(r"`([\w.-]+/[\w./-]*)`", (ROOT / "CONTRIBUTING.md").read_text())

    assert len(paths) > 50
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_command_of_make_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text())}

    assert named - targets == set()


def test_what_is_too_slow_for_every_change_is_run_by_make_faults() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nfaults:")[2].partition("\n\n")[0]
    run = [ROOT / word for word in recipe.split() if word.startswith("tests/")]
    slow = [path for path in (ROOT / "tests").rglob("*.py") if "mark.slow" in path.read_text() and path != Path(__file__)]

    assert slow
    assert [str(path) for path in slow if not any(path.is_relative_to(there) for there in run)] == []


def test_the_changelog_is_in_the_users_words() -> None:
    changes = re.findall(r"^- (.+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)

    assert changes
    assert all(change.startswith(("Bugfix: ", "Enhancement: ", "Change: ")) for change in changes)
