"""The policy's decision table: caller, action, source, target, place, databases and wishes, each alone and together."""

from typing import Any

import pytest

from lambdas.configuration.access import AccessConfiguration
from lambdas.entrances.api import permission
from lambdas.entrances.api.permission import Asked

ACCESS = AccessConfiguration.model_validate(
    {
        "callers": [{"name": "tickets", "by": "apiKey"}, {"name": "nobody", "by": "apiKey"}],
        "rules": [
            {
                "callers": ["tick*"],
                "may": ["restore", "plan"],
                "sources": ["orders-*"],
                "targets": ["orders-test?"],
                "databases": ["orders*", "crm"],
                "accounts": ["123456789012"],
                "regions": ["eu-central-1"],
                "wishes": ["worker"],
            },
            {"callers": ["tickets"], "may": ["restore"], "targets": ["orders-prod"], "approval": "second-person", "approvalHours": 8},
            {"callers": ["tickets"], "may": ["restore"], "targets": ["*-prod"], "databases": ["crm"]},
        ],
    }
)
GOOD: dict[str, Any] = {
    "caller": "tickets",
    "action": "restore",
    "source": "orders-prod",
    "target": "orders-test1",
    "account": "123456789012",
    "region": "eu-central-1",
    "databases": ("orders", "orders_copy"),
    "wishes": ("worker",),
}


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"caller": "nobody"}, "no rule of access.json lets nobody restore"),
        ({"action": "drill"}, "no rule of access.json lets tickets drill"),
        ({"source": "billing-prod"}, "the source billing-prod"),
        ({"target": "orders-test"}, "the target orders-test"),
        ({"target": "orders-test12"}, "the target orders-test12"),
        ({"account": "210987654321"}, "the account 210987654321"),
        ({"region": "us-east-1"}, "the Region us-east-1"),
        ({"databases": ("orders", "payroll")}, "the database payroll"),
        ({"databases": ("Orders",)}, "the database Orders"),
        ({"wishes": ("worker", "checks")}, "the key checks"),
    ],
)
def test_what_no_rule_is_for_is_refused_and_named(change: dict[str, Any], missing: str) -> None:
    found = permission.of(ACCESS, Asked(**{**GOOD, **change}))

    assert not found.granted
    assert missing in found.reason


@pytest.mark.parametrize(
    "change", [{}, {"target": "Orders-Test1"}, {"source": None}, {"databases": ("crm",)}, {"wishes": ()}, {"action": "plan"}]
)
def test_what_a_rule_is_for_is_granted_with_its_number(change: dict[str, Any]) -> None:
    found = permission.of(ACCESS, Asked(**{**GOOD, **change}))

    assert found.granted
    assert found.reason.startswith("rule 1 of access.json lets tickets")
    assert found.approval_hours is None


def test_the_first_rule_that_grants_all_of_it_counts() -> None:
    found = permission.of(ACCESS, Asked("tickets", "restore", target="orders-prod", databases=("crm",)))

    assert (found.reason[:6], found.approval_hours) == ("rule 2", 8)
    assert permission.of(ACCESS, Asked("tickets", "restore", target="billing-prod", databases=("crm",))).approval_hours is None


def test_two_rules_do_not_add_up_to_one() -> None:
    found = permission.of(ACCESS, Asked("tickets", "restore", target="billing-prod", databases=("crm", "orders")))

    assert not found.granted
