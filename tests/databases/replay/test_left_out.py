"""What is left out on request takes with it only what can't be without it."""

from tests.databases.replay.test_cases_replay import SKIP, come_back, left_out, restore_of
from tests.databases.restore_case import Cloud

TRANSFORM = """
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION pg_catalog.prsd_lextype(internal));
CREATE FUNCTION doubled(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'; CREATE VIEW twice AS SELECT doubled(4) AS x;
CREATE FUNCTION uses_it(int) RETURNS int LANGUAGE sql TRANSFORM FOR TYPE int AS 'SELECT 2 * $1';
CREATE VIEW uses AS SELECT uses_it(4) AS x
"""


def test_functions_that_do_not_use_a_transform_are_there_without_it(cloud: Cloud) -> None:
    result = come_back(restore_of(cloud, TRANSFORM, superuser=True, postgres=SKIP))

    assert set(left_out(result)) == {
        "TRANSFORM TRANSFORM FOR integer LANGUAGE sql",
        "FUNCTION public.uses_it(integer)",
        "VIEW public.uses",
    }
    assert cloud.execute("SELECT x FROM twice", "case_back", superuser=True) == [(8,)]
