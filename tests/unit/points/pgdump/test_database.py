"""What a dump says about its database, in all the ways pg_dump has written it."""

import pytest

from dbrestore.contract.manifest import Extension
from dbrestore.points.pgdump import database as pgdump_database
from dbrestore.points.pgdump import toc as pgdump_toc
from dbrestore.points.pgdump.toc import Toc
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.archives import Archive, Entry


def parsed(*entries: Entry) -> Toc:
    return pgdump_toc.parse([archives.custom(Archive(entries))])


def described(*entries: Entry) -> pgdump_database.DatabaseDescription:
    return pgdump_database.describe(parsed(*entries))


def test_a_whole_dump_is_described() -> None:
    found = pgdump_database.describe(pgdump_toc.parse([archives.custom(archives.shop())]))

    assert (found.name, found.encoding, found.client_encoding) == ("shop", "UTF8", "UTF8")
    assert (found.locale_provider, found.collate, found.ctype, found.owner) == (
        "libc",
        "C.UTF-8",
        "C.UTF-8",
        "shop_owner",
    )
    assert found.owners == ("other", "shop_owner")
    assert found.extensions == (Extension(name="uuid-ossp", schema_name="my ext"),)
    assert found.object_counts["TABLE DATA"] == 2
    assert pgdump_database.notes(pgdump_toc.parse([archives.custom(archives.shop())])) == ()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("ENCODING = 'UTF8' LC_COLLATE = 'de_DE.UTF-8' LC_CTYPE = 'C'", ("UTF8", "libc", "de_DE.UTF-8", "C", "")),
        ("ENCODING = 'LATIN1' LOCALE = 'C'", ("LATIN1", "libc", "C", "C", "")),
        (
            "ENCODING = 'UTF8' LOCALE_PROVIDER = icu LOCALE = 'en_US.UTF-8' ICU_LOCALE = 'de-u-ks-level2'",
            ("UTF8", "icu", "en_US.UTF-8", "en_US.UTF-8", "de-u-ks-level2"),
        ),
        (
            "ENCODING = 'UTF8' LOCALE_PROVIDER = builtin LOCALE = 'C.UTF-8' BUILTIN_LOCALE = 'C.UTF-8'",
            ("UTF8", "builtin", "C.UTF-8", "C.UTF-8", "C.UTF-8"),
        ),
        ("ENCODING = 'UTF8' LOCALE = E'odd\\\\one\\''", ("UTF8", "libc", "odd\\one'", "odd\\one'", "")),
    ],
)
def test_locales_are_read_as_every_version_writes_them(options: str, expected: tuple[str, ...]) -> None:
    found = described(Entry(1, "DATABASE", "x", definition=f"CREATE DATABASE x WITH TEMPLATE = template0 {options};\n"))

    assert (found.encoding, found.locale_provider, found.collate, found.ctype, found.provider_locale) == expected


@pytest.mark.parametrize("name", ["ENCODING = 'EVIL'", 'a"; DROP', "x LOCALE = 'evil'", "../$(x) 😀", "WITH"])
def test_a_name_that_looks_like_an_option_is_none(name: str) -> None:
    quoted = name.replace('"', '""')
    definition = f"CREATE DATABASE \"{quoted}\" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';\n"

    toc = parsed(Entry(1, "DATABASE", name, definition=definition))
    found = pgdump_database.describe(toc)

    assert (found.name, found.encoding, found.collate) == (name, "UTF8", "C")
    assert pgdump_database.notes(toc) == ()


def test_what_the_dump_does_not_say_is_assumed_and_said() -> None:
    without_database, without_locale = parsed(Entry(1, "TABLE", "t")), parsed(Entry(1, "DATABASE", "x"))
    found = pgdump_database.describe(without_database)

    assert (found.name, found.encoding, found.collate) == ("shop", "UTF8", "en_US.UTF-8")
    assert "doesn't describe its database" in pgdump_database.notes(without_database)[0]
    assert "doesn't name the database's locale" in pgdump_database.notes(without_locale)[0]


def test_collation_rules_are_read() -> None:
    definition = "CREATE DATABASE x LOCALE = 'C' ICU_RULES = '&a < ''g'' = \"ICU_RULES\"';"
    toc = pgdump_toc.parse([archives.custom(Archive((Entry(1, "DATABASE", "x", definition=definition),)))])

    assert pgdump_database.collation_rules(toc) == "&a < 'g' = \"ICU_RULES\""
    assert pgdump_database.collation_rules(pgdump_toc.parse([archives.custom(archives.shop())])) == ""
    assert pgdump_database.notes(toc) == ()
