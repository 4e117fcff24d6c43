"""Verification goes red for each thing that can be wrong, and a database that is not what it should be never gets the asked name."""

import pytest

from tests.databases.restore_case import Cloud, Restore

# What is done to the database -> the check that must fail, what it expects and what it finds.
SPOILED = {
    "DELETE FROM lines WHERE item = 7": ("rows of public.lines", "3000", "2999"),
    "INSERT INTO lines VALUES (1, 1)": ("rows of public.lines", "3000", "3001"),
    "DROP INDEX lines_item": ("INDEX public.lines_item", "present", "missing"),
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'lines_item'::regclass": (
        "indexes that are not valid",
        "none",
        "public.lines_item",
    ),
    "DROP TRIGGER noted ON items": ("TRIGGER public.items noted", "present", "missing"),
    "ALTER TABLE items DISABLE TRIGGER noted": ("triggers firing differently", "none", "items noted is disabled, was enabled"),
    "SELECT setval('items_id_seq', 5)": ("value of sequence public.items_id_seq", "3000, true", "5, true"),
    "DROP FUNCTION note() CASCADE": ("FUNCTION public.note()", "present", "missing"),
    "DROP VIEW totals": ("VIEW public.totals", "present", "missing"),
    "ALTER TABLE lines DROP CONSTRAINT lines_item_fkey": ("FK CONSTRAINT public.lines lines_item_fkey", "present", "missing"),
    "UPDATE pg_constraint SET convalidated = false WHERE conname = 'lines_item_fkey'": (
        "constraints not validated",
        "none",
        "public.lines lines_item_fkey",
    ),
    "ALTER TABLE items ALTER id DROP DEFAULT": ("DEFAULT public.items id", "present", "missing"),
    "SELECT lo_unlink(oid) FROM pg_largeobject_metadata": ("large objects", "1 of 2 bytes", "0 of 0 bytes"),
    "SELECT lo_truncate(lo_open(oid, 131072), 1) FROM pg_largeobject_metadata": ("large objects", "1 of 2 bytes", "1 of 1 bytes"),
    "COMMENT ON TABLE items IS NULL": ("COMMENT public.TABLE items", "present", "missing"),
    """ALTER SEQUENCE items_id_seq RENAME TO was; CREATE VIEW items_id_seq AS SELECT 3000::bigint AS last_value, true AS is_called;
        GRANT SELECT ON items_id_seq TO PUBLIC""": (
        "value of sequence public.items_id_seq",
        "3000, true",
        "a view is in the sequence's place",
    ),
    "ALTER TABLE lines ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lines": ("row security enabled", "none", "public.lines"),
    "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler; UPDATE pg_class SET relam = "
    "(SELECT oid FROM pg_am WHERE amname = 'heap2') WHERE relname = 'lines'": (
        "access methods other than the dump's",
        "none",
        "public.lines is heap2, was heap",
    ),
    "DROP TABLE empty": ("TABLE public.empty", "present", "missing"),
}


@pytest.fixture(scope="module")
def spoiled(cloud: Cloud, small: str) -> Restore:
    """Of a point of the small database with a comment and an empty table; every test restores it anew."""
    cloud.execute("COMMENT ON TABLE items IS 'what is sold'; CREATE TABLE empty ()", small)
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "spoiled"})
    # It is every test's.
    cloud.execute("COMMENT ON TABLE items IS NULL; DROP TABLE empty", small)
    restore.add_point()
    return restore


@pytest.mark.parametrize("statement", SPOILED)
def test_verification_goes_red_after(cloud: Cloud, spoiled: Restore, statement: str) -> None:
    check, expected, actual = SPOILED[statement]
    restore = spoiled.again()
    restore.run("replay")
    cloud.execute(statement, restore.databases()[0].temporary_name, superuser=True)

    (verified,) = restore.run("verify").databases
    restore.run("discard")

    assert verified.error is not None
    assert (verified.status, verified.error.name) == ("FAILED", "VerificationFailed")
    assert check in verified.error.message
    assert (check, expected, actual) in [(c.check, c.expected, c.actual) for c in verified.checks if c.result == "failed"]
    assert "spoiled" not in cloud.names()[0]
