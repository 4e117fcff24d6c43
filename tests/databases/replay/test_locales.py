"""A database has the encoding, the locale, the provider and the collation rules that it had, or that were asked for."""

import pytest

from dbrestore.contract.job import Check, DatabaseResult, PostgresOptions
from tests.databases.clouds import Clouds
from tests.databases.restore_case import Cloud, Restore

LOCALE = """SELECT pg_encoding_to_char(encoding), datcollate, datctype, to_jsonb(d) ->> 'datlocprovider',
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), to_jsonb(d) ->> 'daticurules'
    FROM pg_database AS d WHERE datname = current_database()"""
NAMES = "CREATE TABLE names (name text UNIQUE); INSERT INTO names VALUES ('V'), ('W'), ('w'), ('v')"


def restored(cloud: Cloud, target: Cloud, options: str, postgres: PostgresOptions | None = None) -> DatabaseResult:
    """The result of restoring a database made with these options as `sorted_back`."""
    cloud.execute(f"CREATE DATABASE sorted TEMPLATE template0 {options}")
    cloud.execute(NAMES, "sorted")
    restore = Restore(target, {"sorted": cloud.dump("sorted")}, {"sorted": "sorted_back"}, postgres=postgres or PostgresOptions())
    restore.add_point()
    (result,) = restore.run_all().databases
    return result


def drop(*clouds: Cloud) -> None:
    for cloud in clouds:
        for name in ("sorted", "sorted_back"):
            cloud.drop_database(name)


@pytest.mark.parametrize(
    ("source", "target", "options"),
    [
        ("16", "16", "LOCALE_PROVIDER icu ICU_LOCALE 'en' ICU_RULES '&V << w <<< W'"),
        ("16", "18", "LOCALE_PROVIDER icu ICU_LOCALE 'en' ICU_RULES E'&V << w <<< W & ''\\\\\\\\'' < q'"),
        ("15", "15", "LOCALE_PROVIDER icu ICU_LOCALE 'en_US@colStrength=secondary'"),
        ("15", "16", "LOCALE_PROVIDER icu ICU_LOCALE 'en_US@colStrength=secondary'"),
        ("17", "17", "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"),
        ("13", "17", "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"),
    ],
)
def test_the_locale_comes_back(clouds: Clouds, source: str, target: str, options: str) -> None:
    cloud, other = clouds.of(source), clouds.of(target)
    try:
        result = restored(cloud, other, options)

        assert (result.status, result.error) == ("PROMOTED", None)
        was, found = cloud.execute(LOCALE, "sorted")[0], other.execute(LOCALE, "sorted_back")[0]
        if (source, target) == ("15", "16"):
            assert (was[4], found[4]) == ("en_US@colStrength=secondary", "en-US-u-ks-level2")
            was, found = (*was[:4], *was[5:]), (*found[:4], *found[5:])
        assert found == (*was[:3], *(was[3:] if source != "13" else ("c", None, None)))
        order = "SELECT name FROM names ORDER BY name"
        assert other.execute(order, "sorted_back") == cloud.execute(order, "sorted")
    finally:
        drop(cloud, other)


@pytest.mark.parametrize(
    ("options", "chosen", "says"),
    [
        ("LOCALE 'C.UTF-8' ENCODING 'UTF8'", PostgresOptions(locale="C"), "UTF8, C, C"),
        ("LOCALE 'C' ENCODING 'SQL_ASCII'", PostgresOptions(encoding="UTF8"), "UTF8, C, C"),
        ("LOCALE_PROVIDER icu ICU_LOCALE 'en' ICU_RULES '&V << w <<< W'", PostgresOptions(locale="C.UTF-8"), "UTF8, C.UTF-8, C.UTF-8"),
    ],
)
def test_what_was_asked_for_is_what_is_verified(clouds: Clouds, options: str, chosen: PostgresOptions, says: str) -> None:
    cloud = clouds.of("16")
    try:
        result = restored(cloud, cloud, options, chosen)
    finally:
        drop(cloud)

    assert (result.status, result.error) == ("PROMOTED", None)
    (found,) = [check for check in result.checks if check.check.startswith("encoding")]
    assert found == Check(check=found.check, expected=says, actual=says, result="ok")


@pytest.mark.parametrize("made", ["LOCALE_PROVIDER icu ICU_LOCALE 'en'", "LOCALE_PROVIDER icu ICU_LOCALE 'de' ICU_RULES '&V << w'", ""])
def test_another_provider_locale_or_rules_are_found(clouds: Clouds, made: str) -> None:
    cloud = clouds.of("16")
    cloud.execute("CREATE DATABASE sorted TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' ICU_RULES '&V << w'")
    restore = Restore(cloud, {"sorted": cloud.dump("sorted")}, {"sorted": "sorted_back"})
    restore.add_point()
    restore.run("replay")
    (database,) = restore.databases()
    try:
        cloud.execute(f'DROP DATABASE "{database.temporary_name}"')
        cloud.execute(f'CREATE DATABASE "{database.temporary_name}" TEMPLATE template0 {made}')
        cloud.execute(f'GRANT ALL ON DATABASE "{database.temporary_name}" TO "{database.login_role}"')

        (result,) = restore.run("verify").databases
    finally:
        restore.run("discard")
        drop(cloud)

    assert result.status == "FAILED"
    assert result.error is not None
    assert "encoding, collation, character type" in result.error.message
