"""Rows that a policy hides from their owner get into no materialized view, and such a view is told."""

import pytest

from tests.databases.replay.test_cases_replay import come_back, restore_of
from tests.databases.restore_case import Cloud

TABLES = """
CREATE TABLE secrets (id int PRIMARY KEY, is_open boolean); INSERT INTO secrets SELECT i, i < 3 FROM generate_series(1, 9) AS i;
CREATE TABLE plain (id int); INSERT INTO plain VALUES (1), (2);
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; {policy}
CREATE VIEW "through" AS SELECT id FROM secrets;
CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.secrets';
CREATE MATERIALIZED VIEW seen AS SELECT id FROM "through"; CREATE UNIQUE INDEX ON seen (id);
CREATE MATERIALIZED VIEW again AS SELECT id FROM seen;
CREATE MATERIALIZED VIEW called AS SELECT counted() AS id;
CREATE MATERIALIZED VIEW apart AS SELECT id FROM plain;
"""
OF_ANOTHER = "ALTER TABLE secrets OWNER TO keeper; GRANT SELECT ON secrets TO PUBLIC;"
FORCED = "ALTER TABLE secrets FORCE ROW LEVEL SECURITY;"
POLICY = "CREATE POLICY open_ones ON secrets USING (is_open);"
VIEWS = ("seen", "again", "called")


def contents(cloud: Cloud) -> dict[str, list[int]]:
    """The ids in each materialized view of the restored database."""
    views = (*VIEWS, "apart")
    return {v: [row[0] for row in cloud.execute(f"SELECT id FROM {v} ORDER BY 1", "case_back")] for v in views}


@pytest.mark.parametrize(
    ("policy", "visible"),
    [(FORCED, []), (FORCED + POLICY, [1, 2]), (POLICY, list(range(1, 10))), (OF_ANOTHER + POLICY, [1, 2])],
    ids=["all hidden", "some hidden", "nothing hidden from the owner", "some hidden from another owner"],
)
def test_a_materialized_view_holds_what_its_owner_may_see(cloud: Cloud, policy: str, visible: list[int]) -> None:
    cloud.execute("CREATE ROLE keeper")
    restore = restore_of(cloud, TABLES.format(policy=policy), superuser=True)
    holder = f'"{restore.holder}"'

    result = come_back(restore)

    cloud.execute(f"GRANT {holder} TO CURRENT_USER WITH INHERIT TRUE")
    assert contents(cloud) == {"seen": visible, "again": visible, "called": [len(visible)], "apart": [1, 2]}
    told = {f.entry: f.what for f in result.fix_ups}
    late = {f"MATERIALIZED VIEW DATA public.{v}" for v in VIEWS} if len(visible) < 9 else set()
    assert told.keys() == late
    assert all("(public.secrets)" in what for what in told.values())
