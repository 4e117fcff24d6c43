"""What every test of this process has: a collector of garbage that does not take a quarter of the time, AWS's service models read once,
and its place in a run."""

import gc
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

from tests import known_services

# A loaded machine is no failure: no drawn case, nor the drawing of it, is judged by the clock.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# moto and botocore's service models are some millions of objects that live as long as the process: by Python's own thresholds they are
# walked through again and again for the little that a test leaves.
gc.set_threshold(100_000, 20, 10)

known_services.install()

# The tests start hundreds of processes of Python. Without the files of compiled modules each of them compiles boto3, moto and us anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


# First of all: pytest-xdist reads the groups in this same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`--dist loadgroup` deals out single tests: what a module makes once for its tests, every process would make. They stay together."""
    for item in items:
        if not item.get_closest_marker("xdist_group") and _shares_with_its_module(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def _shares_with_its_module(item: pytest.Item) -> bool:
    known = getattr(item, "_fixtureinfo", None)
    return known is not None and any(found[-1].scope == "module" for found in known.name2fixturedefs.values())
