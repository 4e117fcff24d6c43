"""Notes about locales, and none for a dump that any target can hold; roles out of statements that no installed pg_dump writes."""

import time
from dataclasses import replace

import pytest

from dbrestore.points.pgdump import outlook as pgdump_outlook
from dbrestore.points.pgdump import toc as pgdump_toc
from dbrestore.points.pgdump.toc import Toc
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.archives import Archive, Entry


def toc(*entries: Entry) -> Toc:
    return pgdump_toc.parse([archives.custom(Archive(entries))])


def test_an_ordinary_dump_gets_no_note() -> None:
    assert pgdump_outlook.notes(pgdump_toc.parse([archives.custom(archives.shop())])) == []


@pytest.mark.parametrize(
    ("locale", "is_known"),
    [
        ("C", True),
        ("POSIX", True),
        ("en_US.UTF-8", True),
        ("de_DE.utf8", True),
        ("C.UTF-8", True),
        ("ca_ES.UTF-8@valencia", True),
        ("fr_FR", True),
        ("German_Germany.1252", False),
        ("English_United States.1252", False),
        ("Chinese (Simplified)_China.936", False),
    ],
)
def test_a_locale_of_windows_is_told(locale: str, is_known: bool) -> None:
    create = f"CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = '{locale}';\n"

    notes = pgdump_outlook.notes(toc(Entry(1, "DATABASE", "shop", definition=create)))

    told = f"its locale is '{locale}', a name that RDS doesn't have: choose another locale for the restored database"
    assert notes == ([] if is_known else [told])


@pytest.mark.parametrize(
    ("description", "definition", "names"),
    [
        ("ACL", "REVOKE ALL ON SCHEMA role FROM PUBLIC;\nGRANT ALL ON SCHEMA role TO b;\n", {"b"}),
        (
            "ACL",
            'SET SESSION AUTHORIZATION "g 1";\nGRANT SELECT ON TABLE a."to" TO "x, y" WITH GRANT OPTION;\nRESET SESSION AUTHORIZATION;',
            {"g 1", "x, y"},
        ),
        ("DEFAULT ACL", "ALTER DEFAULT PRIVILEGES FOR ROLE m IN SCHEMA s REVOKE ALL ON TABLES FROM m;\n", {"m"}),
        (
            "POLICY",
            'CREATE POLICY p ON s.t AS RESTRICTIVE TO a, "b""c" USING ((EXTRACT(year FROM x) > 1)) WITH CHECK (true);',
            {"a", 'b"c'},
        ),
        ("POLICY", "CREATE POLICY p ON s.t USING ((EXTRACT(year FROM x) > 1));\n", set()),
        ("DATABASE PROPERTIES", "ALTER DATABASE d SET search_path TO 'a', 'b';\nALTER ROLE r IN DATABASE d SET x TO 'y';\n", {"r"}),
        ("VIEW", "CREATE VIEW v AS SELECT 1 FROM nobody;\n", set()),
    ],
)
def test_roles_are_found_where_a_statement_names_them(description: str, definition: str, names: set[str]) -> None:
    found = pgdump_outlook.roles(toc(Entry(1, description, "x", "s", definition=definition, owner="")))

    assert set(found) == names


def test_a_hostile_list_of_grants_costs_time_in_proportion() -> None:
    begun = time.process_time()

    found = pgdump_outlook.roles(toc(Entry(1, "ACL", "x", definition="GRANT ALL TO x;\n" * 200_000 + "'" * 100_001)))

    assert found == ("shop_owner", "x")
    assert time.process_time() - begun < 10


def test_long_lists_are_cut() -> None:
    entries = (Entry(n, "TABLE", f"t{n}", f"schema_{n}") for n in range(1, 31))

    [note] = pgdump_outlook.notes(toc(*entries))

    assert "schema_20 and 10 more. The 30 objects in them can't be restored: " in note


def test_an_extension_may_make_the_missing_schema() -> None:
    archive = archives.shop()
    entries = (*archive.entries, Entry(40, "TABLE", "t", "cron"))

    [note] = pgdump_outlook.notes(pgdump_toc.parse([archives.custom(replace(archive, entries=entries))]))

    assert "can't be restored, unless one of its extensions makes them: " in note
