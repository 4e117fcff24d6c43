"""Encoding and locale of a new database: what the dump's had or the request asked for, and whether the catalogue has exactly that."""

from dataclasses import dataclass
from typing import Final, Self

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import Check, PostgresOptions
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump import database as pgdump_database
from dbrestore.points.pgdump.toc import Toc
from dbrestore.worker.postgresql.session import Connection

# Providers whose locale has a name of its own in CREATE DATABASE.
_PROVIDER_LOCALE: Final = {"icu": "icu_locale", "builtin": "builtin_locale"}
# PostgreSQL 15 has the provider, 16 the rules, and 17 calls the provider's locale otherwise.
_ACTUAL: Final = """SELECT pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
        CASE d.row ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
        coalesce(d.row ->> 'datlocale', d.row ->> 'daticulocale', ''), coalesce(d.row ->> 'daticurules', '')
    FROM (SELECT to_jsonb(x) AS row, x.* FROM pg_database AS x WHERE datname = current_database()) AS d"""
# The first version that writes ICU's locales in one way, whatever was asked for: `de_DE@colStrength=secondary` is `de-DE-u-ks-level2`.
_CANONICAL_SINCE: Final = 16


@dataclass(frozen=True)
class DatabaseLocale:
    """`provider_locale` is the ICU or builtin locale and `rules` are ICU's collation rules; both are empty for libc."""

    encoding: str
    collate: str
    ctype: str
    provider: str = "libc"
    provider_locale: str = ""
    rules: str = ""

    @classmethod
    def wanted(cls, backup: DatabaseBackup, toc: Toc, options: PostgresOptions) -> Self:
        """A locale that was asked for is the operating system's, whatever the dump's provider. Raises ReplayFailed."""
        encoding = options.encoding or backup.encoding
        if options.locale:
            return cls(encoding, options.locale, options.locale)
        if backup.locale_provider not in ("libc", *_PROVIDER_LOCALE):
            raise ReplayFailed(f"{backup.name}: the locale provider {backup.locale_provider} is unknown")
        return cls(
            encoding, backup.collate, backup.ctype, backup.locale_provider, backup.provider_locale, pgdump_database.collation_rules(toc)
        )

    @property
    def options(self) -> dict[str, str]:
        """Those of CREATE DATABASE."""
        found = {"encoding": self.encoding, "lc_collate": self.collate, "lc_ctype": self.ctype}
        if self.provider != "libc":
            found |= {"locale_provider": self.provider, _PROVIDER_LOCALE[self.provider]: self.provider_locale}
            found |= {"icu_rules": self.rules}
        return {option: value for option, value in found.items() if value}

    @property
    def told(self) -> str:
        """In one line."""
        provider = "" if self.provider == "libc" else f", {self.provider} {self.provider_locale}"
        return f"{self.encoding}, {self.collate}, {self.ctype}{provider}" + (f", rules {self.rules}" if self.rules else "")


def actual(connection: Connection) -> DatabaseLocale:
    """Of the database that the session is in."""
    row = connection.execute(_ACTUAL.encode()).fetchone()
    return DatabaseLocale(*(row or ("",) * 6))


def check(master: Connection, wanted: DatabaseLocale, server_version: str) -> Check:
    """`server_version` is the source's."""
    found = actual(master)
    expected, is_as = wanted.told, found == wanted
    if wanted.provider == "icu" and not _is_comparable(server_version, master.info.server_version):
        expected = DatabaseLocale(wanted.encoding, wanted.collate, wanted.ctype, "icu", found.provider_locale, wanted.rules).told
        is_as = expected == found.told
    return Check(check="encoding, collation, character type", expected=expected, actual=found.told, result="ok" if is_as else "failed")


def _is_comparable(source: str, target: int) -> bool:
    major = source.split(".")[0]
    return (major.isdecimal() and int(major) >= _CANONICAL_SINCE) or target < _CANONICAL_SINCE * 10000
