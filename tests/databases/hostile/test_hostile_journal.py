"""Code of a dump and the journal of its own replay: it can add false lines, by which it lacks something and is refused, and no more."""

import pytest

from tests.databases.replay.test_cases_replay import message, restore_of
from tests.databases.replay.test_resume import data_of
from tests.databases.restore_case import Cloud, Restore

# Tried in a check of rows; what was refused is written down with its SQLSTATE, as rows of the dump's own.
TRIES = {
    "reading": "SELECT * FROM {j}",
    "deleting": "DELETE FROM {j}",
    "changing": "UPDATE {j} SET number = 0",
    "emptying": "TRUNCATE {j}",
    "dropping": "DROP TABLE {j}",
    "dropping the schema": "DROP SCHEMA {s} CASCADE",
    "renaming": "ALTER SCHEMA {s} RENAME TO mine",
    "creating in the schema": "CREATE TABLE {s}.more (x int)",
    "a trigger": "CREATE TRIGGER t BEFORE INSERT ON {j} FOR EACH ROW EXECUTE FUNCTION public.harmless()",
    "a rule": "CREATE RULE r AS ON INSERT TO {j} DO INSTEAD NOTHING",
    "a policy": "ALTER TABLE {j} ENABLE ROW LEVEL SECURITY",
    "a comment": "COMMENT ON SCHEMA {s} IS 'mine'",
    "a column": "ALTER TABLE {j} ADD x int DEFAULT 1",
    "a key": "CREATE TABLE public.pointing (x int REFERENCES {j} (number))",
    "an owner": "ALTER TABLE {j} OWNER TO CURRENT_USER",
    # A warning that nothing was granted.
    "a grant": "GRANT ALL ON {j} TO PUBLIC",
    "a lock": "LOCK TABLE {j} IN ACCESS EXCLUSIVE MODE",
}
ATTACK = """CREATE TABLE said (what text, state text);
CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION attack(int) RETURNS boolean LANGUAGE plpgsql AS $f$
DECLARE one text[]; s text := quote_ident(current_database() || '-journal');
BEGIN
    IF current_setting('sample.source', true) = 'yes' THEN RETURN true; END IF;
    FOREACH one SLICE 1 IN ARRAY {tries}::text[] LOOP
        BEGIN
            EXECUTE replace(replace(one[2], '{{j}}', s || '.done'), '{{s}}', s);
            IF {tells} THEN INSERT INTO public.said VALUES (one[1], 'done'); END IF;
        EXCEPTION WHEN OTHERS THEN
            IF {tells} THEN INSERT INTO public.said VALUES (one[1], SQLSTATE); END IF;
        END;
    END LOOP;
    RETURN true;
END $f$;
SET sample.source = yes; CREATE TABLE bait (x int, CHECK (attack(x))); INSERT INTO bait VALUES (1)"""


def attacking(cloud: Cloud, tries: dict[str, str], more: str = "", *, tells: bool = False) -> Restore:
    """The restore of a database whose only rows try these; `tells` what became of it."""
    listed = ", ".join(f"ARRAY[$t${what}$t$, $t${statement}$t$]" for what, statement in tries.items())
    return restore_of(cloud, ATTACK.format(tries=f"ARRAY[{listed}]", tells=tells) + more)


def test_code_of_the_dump_can_do_nothing_with_the_journal_but_add_to_it(cloud: Cloud) -> None:
    restore = attacking(cloud, TRIES, tells=True)

    (replayed,) = restore.run("replay").databases

    assert replayed.error is None
    temporary = restore.databases()[0].temporary_name
    said = dict(cloud.execute("SELECT what, state FROM said", temporary, superuser=True))
    assert said.keys() == TRIES.keys()
    # The columns that a key points at are looked for before the right to do so.
    assert {what: state for what, state in said.items() if state != "42501"} == {"a grant": "done", "a key": "42830"}
    rights = "SELECT a.grantee::regrole::text, a.privilege_type FROM pg_class, aclexplode(relacl) AS a WHERE relname = 'done'"
    of_others = [right for right in cloud.execute(rights, temporary) if right[0] != "master"]
    assert of_others == [(f'"{restore.databases()[0].login_role}"', "INSERT")]
    restore.run("discard")


# The database is made anew, or they tell of nothing.
UNBELIEVED = {
    "more than there can be": "INSERT INTO {j} SELECT 'entry', n FROM generate_series(1, 9999) AS n",
    "of nothing": "INSERT INTO {j} VALUES ('share', 2147483647), ('objects', -7), ('entry', 0)",
    "of rows that went elsewhere": "INSERT INTO {j} SELECT 'root', n FROM generate_series(1, 300) AS n",
    "of rows that were shared": "INSERT INTO {j} SELECT 'share', n FROM generate_series(1, 300) AS n",
    "of both": "INSERT INTO {j} SELECT k, n FROM generate_series(1, 100) AS n, unnest(ARRAY['share', 'root']) AS k",
}
ZEST = "; CREATE TABLE zest (x int); INSERT INTO zest VALUES (1); CREATE INDEX ON zest (x)"


def lose_zest(restore: Restore, *, line: bool) -> None:
    """As if the replay had been cut off before the rows of one table: its `line` goes, unless it is to be a false one."""
    journal, lost = f'"{restore.databases()[0].temporary_name}-journal".done', f"number = {data_of(restore, 'zest')} AND kind = 'entry'"
    first = f"DELETE FROM {journal} WHERE ctid = (SELECT min(ctid) FROM {journal} WHERE {lost})"
    restore.cloud.execute(f"TRUNCATE zest{'; ' + first if line else ''}", restore.databases()[0].temporary_name, superuser=True)


def test_a_false_line_makes_no_database_that_passes_for_whole(cloud: Cloud) -> None:
    restore = restore_of(cloud, f"CREATE TABLE t (x int){ZEST}")
    assert restore.run("replay").databases[0].error is None
    lose_zest(restore, line=False)

    (again,) = restore.run("replay", "replay-2").databases
    (verified,) = restore.run("verify").databases

    assert again.error is None
    assert "rows of public.zest: expected 1, found 0" in message(verified)
    restore.run("discard")


@pytest.mark.parametrize("lines", UNBELIEVED.values(), ids=UNBELIEVED)
def test_lines_that_can_not_be_true_do_no_harm(cloud: Cloud, lines: str) -> None:
    restore = attacking(cloud, {"lying": lines}, ZEST)
    assert restore.run("replay").databases[0].error is None
    lose_zest(restore, line=True)

    assert restore.run("replay", "replay-2").databases[0].error is None

    assert restore.run("verify").databases[0].status == "PROMOTED"


def test_what_hangs_on_the_journal_goes_with_it_and_is_missed(cloud: Cloud) -> None:
    """A column of the type of its rows would keep it from being dropped."""
    restore = attacking(cloud, {"hanging": "ALTER TABLE public.victim ADD y {j}"}, "; CREATE TABLE victim (x int)")

    (replayed,) = restore.run("replay").databases
    (verified,) = restore.run("verify").databases

    assert replayed.error is None
    assert verified.status == "PROMOTED"
    assert cloud.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'victim'::regclass AND attnum > 0 AND NOT attisdropped", "case_back"
    ) == [("x",)]
