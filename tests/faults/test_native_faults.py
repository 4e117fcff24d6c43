"""One fault at one request of a SQL Server restore: no temporary bucket, object, upload, task or unverified database is left either."""

import pytest

from tests.faults.injection import KINDS, Injector, Kind
from tests.faults.test_single_faults import check, faulty, injector
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.world import World

__all__ = ["faulty", "injector"]

LONGEST_RUN = 360
SAMPLE = tuple((at, KINDS[n % len(KINDS)]) for n, at in enumerate(range(70, 260, 38)))


@pytest.mark.parametrize(("at", "kind"), SAMPLE)
def test_a_fault_of_the_sample_leaves_nothing_behind(faulty: World, injector: Injector, at: int, kind: Kind) -> None:
    check(faulty.use(SQLSERVER), injector, at, kind)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", range(LONGEST_RUN))
def test_any_single_fault_leaves_nothing_behind(faulty: World, injector: Injector, at: int, kind: Kind) -> None:
    check(faulty.use(SQLSERVER), injector, at, kind)


def test_the_campaign_reaches_every_request_of_a_restore(faulty: World, injector: Injector) -> None:
    ended = faulty.use(SQLSERVER).run()

    assert ended["status"] == "SUCCEEDED"
    assert {"s3:CreateBucket", "s3:DeleteBucket"} <= set(injector.calls)
    assert 200 < len(injector.calls) <= LONGEST_RUN
