"""The file of callers and rules: what can't be meant is told with its place, all of it at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.errors import AccessConfigurationInvalid
from lambdas.configuration import access
from lambdas.configuration.access import DEPLOYED

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "access.json"


def problems(folder: Path, values: Any) -> list[str]:
    path = folder / "access.json"
    path.write_text(json.dumps(values))
    with pytest.raises(AccessConfigurationInvalid) as told:
        access.read(path)
    return str(told.value).splitlines()


def test_the_deployed_file_has_no_callers_and_the_example_has_some() -> None:
    assert access.read(DEPLOYED).callers == ()
    assert [caller.name for caller in access.read(EXAMPLE).callers] == ["servicenow", "virtual-agent", "dba"]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    callers = [
        {"name": "a", "by": "iam"},
        {"name": "a", "by": "apiKey", "principal": "arn:aws:iam::123456789012:role/x"},
        {"name": "B", "by": "basic", "requestsPerSecond": 1000},
    ]
    rules = [
        {"callers": ["zebra*"], "may": ["read", "write"], "targets": []},
        {"callers": ["a"], "may": ["read"], "targets": ["x[1]"], "approval": "second-person"},
    ]

    told = problems(tmp_path, {"callers": callers, "rules": rules, "extra": 1})

    assert [line.partition(": ")[0] for line in told] == [
        "access.json#/callers/2/name (B)",
        "access.json#/callers/2/by (B)",
        "access.json#/callers/2/requestsPerSecond (B)",
        "access.json#/rules/0/may/1",
        "access.json#/rules/0/targets",
        "access.json#/rules/1/targets/0",
        "access.json#/extra",
        "access.json#/callers/0/principal (a)",
        "access.json#/callers/1/name (a)",
        "access.json#/callers/1/principal (a)",
        "access.json#/rules/0/callers/0",
        "access.json#/rules/1/approval",
    ]
    assert all(" must be " not in line or " not " in line for line in told)
