"""PostgreSQL's own regression database comes back, or what is missing is told."""

from pathlib import Path

import pytest

from localcloud.postgresql.clients import tool
from localcloud.postgresql.distributions import VersionNotAvailable
from tests.generated import regression_suite, round_trip, script
from tests.generated.dumps import Dump
from tests.generated.regression_suite import SuiteNotAvailable
from tests.generated.round_trip import Choices, Verdict
from tests.generated.script import Script
from tests.generated.servers import Pool


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_regression_database_comes_back(pool: Pool, tmp_path: Path) -> None:
    servers = pool.pair("15", "17")
    try:
        suite, psql = regression_suite.fetch(tmp_path), tool("17.10", "psql")
    except (SuiteNotAvailable, VersionNotAvailable) as error:
        pytest.skip(f"PostgreSQL's regression suite can't be had here: {error}")
    empty = Script("UTF8", "C", hard=True, statements=())
    script.apply(empty, servers.source.superuser_dsn(), "regression")
    regression_suite.run(servers.source, psql, suite, "regression")
    verdict = Verdict(0, Dump(("-Fc",), is_whole=True), empty, "15 to 17")

    choices = Choices(owners_kept=False, skip=True, content=True, extensions=())
    round_trip.judge(servers, verdict, "regression", choices)

    assert verdict.outcome == "PROMOTED", str(verdict)
    assert verdict.is_good, str(verdict)
