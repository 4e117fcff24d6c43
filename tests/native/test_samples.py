"""Every real backup that is accepted is restored through the whole flow and verified against its header; what is refused never gets there
(`tests.unit.points.sqlserver.test_samples`). No SQL Server engine is in it: whether its pages are sound only a real one can tell."""

from datetime import datetime

import pytest

from tests.native.installation import Installation
from tests.unit.points.sqlserver.test_samples import ACCEPTED, SAMPLES, paths

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here (DBRESTORE_SAMPLES)")

# The others that differ in their way are restored by `tests.native.test_whole_cloud`.
QUICK = "chain-a-differential.bak chain-a-full.bak"
POINTS_IN_TIME = {"StopAt": datetime(2020, 5, 12, 13, 29, 50)}


@pytest.mark.parametrize(
    ("names", "database", "kinds"),
    [
        pytest.param(names, database, kinds.split(), id=names, marks=() if names == QUICK else pytest.mark.slow)
        for names, database, _, kinds, _ in ACCEPTED
    ],
)
def test_an_accepted_sample_is_restored_whole(native: Installation, names: str, database: str, kinds: list[str]) -> None:
    moment = POINTS_IN_TIME.get(database) if "LOG" in kinds else None
    native.point_of(paths(names))
    native.request.update(databases=[database], sqlserver={"stopAt": moment.isoformat()} if moment else {})
    before = native.inventory()

    ended = native.run()

    assert ended["status"] == "SUCCEEDED", ended
    after = native.inventory()
    assert after["databases"].pop(database)[0] == "ONLINE"
    assert after == before
    made = native.engine.database(database)
    assert made
    assert made.recovered_to == moment
    assert [life for *_, life in native.tasks()] == ["SUCCESS"] * (1 if kinds == ["FULL"] else len(kinds) + 1)
    assert [one["status"] for one in native.world.report()["databases"]] == ["PROMOTED"]
