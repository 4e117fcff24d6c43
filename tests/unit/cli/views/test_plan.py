"""What `dbrestore plan` shows of a plan."""

from io import StringIO
from typing import Any

import pytest

from dbrestore.cli import consoles
from dbrestore.cli.views import plan as plan_view
from dbrestore.contract.plan import ConsideredSubnet, Plan, PlannedNetwork
from dbrestore.prices import GB
from lambdas.estimate import estimate
from tests.unit.lambdas.estimated_plans import archived, database, planned, planned_native, worker

NETWORK = PlannedNetwork(
    vpc_id="vpc-1",
    subnets=(
        ConsideredSubnet(subnet_id="subnet-1", availability_zone="us-east-1a", rank=1, way="nat", reasons=("in the same zone", "9 free")),
        ConsideredSubnet(subnet_id="subnet-2", availability_zone="us-east-1b", reasons=("has no way to AWS",)),
    ),
    unlisted=12,
)


def printed(plan: Plan, width: int = 160) -> str:
    console, written = consoles.out(), StringIO()
    console.file, console.width = written, width
    plan_view.print_plan(console, plan)
    return written.getvalue()


def estimated(plan: Plan) -> Plan:
    return plan.model_copy(update={"estimate": estimate.of(plan)})


def row(text: str, beginning: str) -> str:
    [line] = [line for line in text.splitlines() if line.startswith(beginning)]
    return words(line)


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_plan_says_what_a_plan_cannot_see() -> None:
    text = printed(planned(notes=("shop: tables 2, without data 2",)))

    assert "whether a name is free in the target" in text
    assert "first thing in ReplayDumps" in text
    assert "Note: shop: tables 2, without data 2\n" in text


def test_a_cluster_is_told_with_its_writer_and_an_instance_without() -> None:
    plan = planned()
    cluster = plan.target.model_copy(
        update={"db_instance": "shop", "db_cluster": "shop", "writer": "shop-1", "engine": "aurora-postgresql"}
    )

    text = words(printed(plan.model_copy(update={"target": cluster})))

    assert "Into cluster shop: aurora-postgresql " in text
    assert f"at {cluster.host}:{cluster.port}, where shop-1 writes now" in text
    assert "cluster" not in row(printed(plan), "Into")


def test_a_plan_for_sql_server_says_what_is_copied_and_speaks_of_no_rows_or_streams() -> None:
    text = printed(planned_native())

    told = "4.3 GB into a temporary bucket, which RDS reads with arn:aws:iam::123456789012:role/rds-reads"
    assert words(text).count(f"Copied {told}") == 1
    assert row(text, "shop") == "shop shop 10.7 GB 0 B not known"
    assert "Checked DBCC CHECKDB does not run, by the request" in words(text)
    assert "first thing in RestoreNativeBackups" in text
    assert not {"streams", "rows", "tables"} & set(text.replace("ledger rows", "").split())


def test_everything_that_would_be_made_is_named() -> None:
    text = printed(planned(databases=(database("shop"), database("crm", asked_name="crm_check"))))

    prefix = "dbrestore-r-0123456789ab"
    assert row(text, "instance ") == f"instance {prefix}-worker-1 c6i.large in subnet-1"
    assert row(text, "volume ") == f"volume {prefix}-worker-1 20 GiB gp3, encrypted, deleted with the instance"
    assert row(text, f"security-group-rule  {prefix}-worker").endswith("worker egress tcp/5432 to the other group")
    assert row(text, f"security-group-rule  {prefix}-database").endswith("ingress tcp/5432 from the other group")
    assert row(text, "group-list-entry") == f"group-list-entry {prefix}-database in the list of shop"
    assert row(text, "database             dbrestore_crm").endswith("stays as crm_check if it is verified")
    assert row(text, "role                 dbrestore_crm").startswith("role dbrestore_crm_owner ")
    assert row(text, "evidence").startswith("evidence restores/r-0123456789ab/ ")


def test_the_temporary_bucket_and_what_comes_into_it_are_named() -> None:
    text = printed(planned_native())

    bucket = "dbrestore-staging-g<n>-123456789012-us-east-1-an"
    assert row(text, "bucket ").startswith(f"bucket {bucket} ")
    assert row(text, "staged-objects").startswith(f"staged-objects {bucket}/r-0123456789ab/ ")
    assert row(text, "native-task") == "native-task r-0123456789ab/1/ RDS restores shop"


def test_every_subnet_is_shown_with_its_reasons() -> None:
    text = printed(planned(network=NETWORK))

    assert row(text, "1.") == "1. subnet-1 us-east-1a NAT gateway in the same zone; 9 free"
    assert row(text, "no ") == "no subnet-2 us-east-1b - has no way to AWS"
    assert "and 12 more subnets that are not listed" in text


def test_the_archive_is_shown_by_class_with_its_wait() -> None:
    text = printed(planned(archive=archived("DEEP_ARCHIVE", "Bulk", 1_200, 100 * GB, days=4)))

    assert "tier Bulk, kept for 4 days" in text
    assert row(text, "DEEP_ARCHIVE") == "DEEP_ARCHIVE 1,200 107.4 GB 48 h 00 min"


def test_nothing_is_said_of_an_archive_that_holds_nothing() -> None:
    empty = archived("GLACIER", "Standard", 0, 0).model_copy(update={"classes": ()})

    assert "archive" not in printed(estimated(planned(archive=empty, archived=False)))


def test_duration_and_cost_are_shown_item_by_item_with_what_they_rest_on() -> None:
    plan = estimated(planned())
    assert plan.estimate

    text = printed(plan)

    assert row(text, "CloseRestore") == "CloseRestore 5.0 s assumed: one function writes the report"
    assert row(text, "Worker: instance") == "Worker: instance $0.04 c6i.large: 0.44 h x $0.085"
    for item in plan.estimate.costs:
        assert f"{item.item} " in text
    assert f"Expected cost: ${plan.estimate.dollars:.2f}, prices of us-east-1 as of 2026-06-18" in text
    assert "Expected duration: 28 min 15 s, including 0.44 worker hours" in text
    assert f"Note: {plan.estimate.notes[0]}" in words(text)


@pytest.mark.parametrize("width", [80, 120, 250])
@pytest.mark.parametrize("plan", [planned(), planned_native()], ids=["postgres", "sqlserver"])
def test_no_name_is_broken_at_any_width(plan: Plan, width: int) -> None:
    text = printed(estimated(plan.model_copy(update={"network": NETWORK})), width)

    for name in ("dbrestore-r-0123456789ab-worker-1", "dbrestore-r-0123456789ab-database", "subnet-2", "ReplayDumps"):
        assert name in text or (name == "ReplayDumps" and plan.native), name
    assert max(map(len, text.splitlines())) <= width


def test_control_characters_in_names_are_shown_and_not_sent() -> None:
    for width in (80, 160):
        text = printed(planned(databases=(database("a\x1b[2J", temporary_name="b\x1b[2J"),)), width)

        assert "\x1b" not in text
        assert "\\x1b[2J" in text


def test_a_worker_that_follows_a_configuration_says_which() -> None:
    told: dict[str, Any] = {"configured_by": "the configuration of eu-central-1"}

    assert "by the configuration of eu-central-1" in printed(planned(worker=worker(**told)))
