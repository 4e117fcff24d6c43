"""What a job loads before it begins: on the worker that is a good part of what a small restore costs."""

import subprocess
import sys
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, create_loader

from dbrestore.worker.base.clients import OfOurServices

# Prints what one engine's jobs load.
LOADED = """import importlib, sys
from dbrestore.worker.base import clients
import dbrestore.worker.__main__
importlib.import_module(f"dbrestore.worker.{sys.argv[1]}.jobs")
clients.s3("eu-central-1"), clients.secretsmanager("eu-central-1")
print(*sys.modules)"""


@pytest.mark.parametrize(
    ("engine", "needless"),
    [
        (
            "postgresql",
            {"pytds", "dbrestore.worker.sqlserver", "dbrestore.worker.postgresql.dumps.reading", "dbrestore.points.pgdump.scan"},
        ),
        ("sqlserver", {"psycopg", "dbrestore.worker.postgresql"}),
    ],
)
def test_a_job_loads_neither_the_other_engine_nor_what_only_other_jobs_need(engine: str, needless: set[str]) -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED, engine], capture_output=True, text=True, check=True).stdout.split()

    assert {"boto3", "s3transfer", "dbrestore.contract.request", "dbrestore.contract.anchor", *needless} & set(loaded) == set()
    assert f"dbrestore.worker.{engine}.jobs" in loaded


@pytest.mark.parametrize("service", ["s3", "secretsmanager", "rds"])
def test_a_service_is_known_as_botocore_describes_it_but_for_the_texts(service: str) -> None:
    lean, whole = create_loader(), create_loader()
    lean.file_loader = OfOurServices()

    found, all_of_it = lean.load_service_model(service, "service-2"), whole.load_service_model(service, "service-2")

    assert without_texts(found) == without_texts(all_of_it)
    assert length(found) < length(all_of_it) * 0.7


def test_of_the_list_of_endpoints_only_our_services_are_kept() -> None:
    lean, whole = create_loader(), create_loader()
    lean.file_loader = OfOurServices()

    for found, all_of_it in zip(lean.load_data("endpoints")["partitions"], whole.load_data("endpoints")["partitions"], strict=True):
        assert found["services"] == {name: all_of_it["services"][name] for name in found["services"]}
        assert {key: found[key] for key in found if key != "services"} == {key: all_of_it[key] for key in all_of_it if key != "services"}
        assert set(found["services"]) <= {"s3", "secretsmanager", "rds", "sts"}
        assert "s3" in found["services"]


def test_what_botocore_lacks_is_lacking() -> None:
    assert OfOurServices().load_file("/nowhere/endpoints") is None
    assert JSONFileLoader().load_file("/nowhere/endpoints") is None


def without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_texts(each) for key, each in value.items() if not (key == "documentation" and isinstance(each, str))}
    return [without_texts(each) for each in value] if isinstance(value, list) else value


def length(value: Any) -> int:
    """Characters."""
    return len(str(value))
