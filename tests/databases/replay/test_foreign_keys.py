"""Foreign keys that are added and proven in steps: what comes back is what the dump's own statement makes."""

import pytest

from dbrestore.points.pgdump import toc
from localcloud.postgresql import versions
from tests.databases.clouds import Clouds
from tests.databases.equality import contents, schema_without_publications
from tests.databases.replay.test_cases_replay import message, restore_of
from tests.databases.replay.test_resume import carried_on, journal_of, lines_of
from tests.databases.restore_case import Cloud, Restore

# A tree of two levels, with names that need quotes, and a partition whose columns lie otherwise. Keys to a plain and to a partitioned
# table, one to its own; a key that is not proven; a check on one partition that has the name of the key.
TREE = """CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 900);
CREATE TABLE pp (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE pp1 PARTITION OF pp FOR VALUES FROM (0) TO (100);
CREATE TABLE pp2 PARTITION OF pp DEFAULT; INSERT INTO pp SELECT id FROM p;
CREATE SCHEMA "o""ther"; CREATE TABLE "the; tree" (at int PRIMARY KEY, p int, q int) PARTITION BY RANGE (at);
CREATE TABLE "o""ther".one PARTITION OF "the; tree" FOR VALUES FROM (0) TO (300);
CREATE TABLE middle PARTITION OF "the; tree" FOR VALUES FROM (300) TO (600) PARTITION BY RANGE (at);
CREATE TABLE low PARTITION OF middle FOR VALUES FROM (300) TO (400);
CREATE TABLE high (q int, gone int, p int, at int NOT NULL); ALTER TABLE high DROP COLUMN gone;
ALTER TABLE middle ATTACH PARTITION high DEFAULT;
CREATE TABLE rest PARTITION OF "the; tree" (CONSTRAINT "the key" CHECK (at > 0)) DEFAULT;
INSERT INTO "the; tree" SELECT id, id, id FROM p;
ALTER TABLE "the; tree" ADD CONSTRAINT "the key" FOREIGN KEY (p) REFERENCES p ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE "the; tree" ADD CONSTRAINT to_tree FOREIGN KEY (q) REFERENCES pp;
ALTER TABLE "the; tree" ADD CONSTRAINT to_itself FOREIGN KEY (q) REFERENCES "the; tree";
CREATE TABLE plain (p int REFERENCES p, q int REFERENCES pp, r int);
INSERT INTO plain SELECT id, id, -id FROM p; ALTER TABLE plain ADD CONSTRAINT unproven FOREIGN KEY (r) REFERENCES p NOT VALID"""
# Of those that point at a partitioned table the server chooses names by its order of partitions, with pg_restore as with us.
KEYS = """SELECT k.conrelid::regclass::text, k.conname, k.confrelid::regclass::text, k.convalidated, k.condeferrable, k.condeferred,
    k.confdeltype, k.conislocal, k.coninhcount, k.conkey::text, p.conname, p.conrelid::regclass::text, p.confrelid::regclass::text
    FROM pg_constraint AS k LEFT JOIN pg_constraint AS p ON p.oid = k.conparentid WHERE k.confrelid = 'p'::regclass ORDER BY 1, 2, 3"""
TRIGGERS = """SELECT tgrelid::regclass::text, tgconstrrelid::regclass::text, tgfoid::regproc::text, tgparentid <> 0, count(*)
    FROM pg_trigger WHERE 'p'::regclass IN (tgrelid, tgconstrrelid) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""


def promoted(restore: Restore) -> None:
    """Replay, and see it verified."""
    (replayed,) = restore.run("replay").databases
    assert (replayed.status, replayed.error) == ("REPLAYED", None)
    (verified,) = restore.run("verify").databases
    assert (verified.status, verified.error) == ("PROMOTED", None)


def catalogue(cloud: Cloud, database: str) -> list[list[tuple[object, ...]]]:
    """Its foreign keys, and the triggers that hold them; positions of columns are the target's own."""
    keys = [(*row[:9], *row[10:]) for row in cloud.execute(KEYS, database)]
    # PostgreSQL 13 doesn't know which trigger a trigger was made for.
    knows = cloud.execute("SELECT true FROM pg_attribute WHERE attrelid = 'pg_trigger'::regclass AND attname = 'tgparentid'", database)
    return [keys, cloud.execute(TRIGGERS if knows else TRIGGERS.replace("tgparentid", "0"), database)]


@pytest.mark.parametrize("version", ["13", versions.DEFAULT, "18"])
def test_keys_of_partitions_come_back_as_they_were(clouds: Clouds, version: str) -> None:
    cloud = clouds.of(version)
    restore = restore_of(cloud, TREE)

    promoted(restore)

    stands_for = {restore.holder: "master"}
    assert schema_without_publications(cloud, "case_back", stands_for) == schema_without_publications(cloud, "case")
    assert contents(cloud, "case_back", stands_for) == contents(cloud, "case")
    assert catalogue(cloud, "case_back") == catalogue(cloud, "case")
    cloud.drop_database("case_back")
    cloud.drop_database("case")


def test_each_partition_is_proven_by_itself_and_once(cloud: Cloud) -> None:
    restore = restore_of(cloud, TREE)
    assert restore.run("replay").databases[0].error is None
    added = {number for kind, number in lines_of(restore) if kind == "added"}

    assert carried_on(restore).error is None

    # One of the plain table, and one each of three partitions: the fourth has the name already.
    assert len(added) == 4
    assert {number for kind, number in lines_of(restore) if kind == "added"} == added
    restore.run("discard")


def test_a_tree_whose_key_was_cut_off_is_carried_on(cloud: Cloud) -> None:
    restore = restore_of(cloud, TREE)
    assert restore.run("replay").databases[0].error is None
    entries = toc.parse([restore.dumps["case"].read_bytes()]).entries
    (key,) = (e.dump_id for e in entries if e.tag == "the; tree the key")
    leaves = sorted(e.dump_id for e in entries if e.description == "TABLE" and e.tag in ("one", "low", "high", "rest"))
    (low,) = (e.dump_id for e in entries if e.description == "TABLE" and e.tag == "low")
    last = max(e.dump_id for e in entries)
    unproven = 'ADD CONSTRAINT "the key" FOREIGN KEY (p) REFERENCES p ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED NOT VALID'
    journal_of(
        restore,
        f'ALTER TABLE "the; tree" DROP CONSTRAINT "the key"; DELETE FROM {{j}} WHERE number = {key} OR number > {last};'
        f"ALTER TABLE ONLY low {unproven}; INSERT INTO {{j}} VALUES ('added', {last + 1 + leaves.index(low)})",
    )

    assert carried_on(restore).error is None

    assert restore.run("verify").databases[0].status == "PROMOTED"
    assert catalogue(cloud, "case_back") == catalogue(cloud, "case")


@pytest.mark.parametrize(
    ("kind", "partitions"),
    [("", ""), ("PARTITION BY RANGE (p)", "CREATE TABLE c1 PARTITION OF c DEFAULT;")],
    ids=["a table", "a partition"],
)
def test_rows_that_break_a_key_fail_the_restore_under_its_name(cloud: Cloud, kind: str, partitions: str) -> None:
    statements = f"CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE TABLE c (p int) {kind}; {partitions}"
    statements += "INSERT INTO c VALUES (1); ALTER TABLE c ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p;"
    restore = restore_of(cloud, statements + "SET session_replication_role = replica; INSERT INTO c VALUES (2)", superuser=True)

    (replayed,) = restore.run("replay").databases

    assert message(replayed).startswith("FK CONSTRAINT public.c f: ")
    assert "violates foreign key constraint" in message(replayed)
    restore.run("discard")
