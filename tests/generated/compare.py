"""An independent comparison of two databases: the catalogues' facts, every row, and the text of `pg_dump --schema-only`.

Shares no code with the product, so that an error there can't hide itself here.
"""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.generated import facts
from tests.generated.facts import Fact, Facts

Role = Callable[[str], str]
_HEADER = re.compile(
    r"^-- (?:Data for )?Name: (?P<name>.*?); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*?); Owner: (?P<owner>.*?)(?:; .*)?$"
)
# Compared by the catalogue, where owners and grantors can be told apart from the rights themselves.
_BY_CATALOGUE = ("ACL", "DEFAULT ACL")

# Whose the schema public is depends on the version by which the server was set up.
_SERVERS_OWN: Fact = ("pg_namespace", "public", "owner")


@dataclass(frozen=True)
class Difference:
    """One aspect in which the restored database isn't as the original; a value of None: it isn't there."""

    kind: str
    identity: str
    aspect: str
    original: str | None
    restored: str | None

    @property
    def fact(self) -> Fact:
        """What differs."""
        return self.kind, self.identity, self.aspect

    def __str__(self) -> str:
        return f"{self.kind} {self.identity}: {self.aspect}: {_short(self.original)} became {_short(self.restored)}"


@dataclass(frozen=True)
class Expected:
    """`owner` says who is to own what a role of the original owned; the server's own roles keep what is theirs."""

    owner: Role = lambda role: role


def differences(original: Facts, restored: Facts, expected: Expected | None = None) -> list[Difference]:
    """In which the restored database is another than the original should have become."""
    first, second = (_as_expected(found, original, expected or Expected()) for found in (original, restored))
    changed = sorted(fact for fact in first.keys() | second.keys() if first.get(fact) != second.get(fact))
    found = [Difference(*fact, first.get(fact), second.get(fact)) for fact in changed]
    return [d for d in found if d.aspect == "there" or not _is_absent(d, first, second)]


def parents(found: Facts) -> dict[str, str]:
    """The identity of each partition -> that of the table of which it is one."""
    return {identity: parent for (_, identity, aspect), parent in found.items() if aspect == "inherits"}


def _is_absent(difference: Difference, first: Facts, second: Facts) -> bool:
    """Whether it only repeats that the whole object isn't there."""
    there: Fact = (difference.kind, difference.identity, "there")
    return (there in first) != (there in second)


def facts_of(dsn: str, pg_dump: Path) -> Facts:
    """All that is compared, by a superuser's DSN; `pg_dump` must be no older than the server."""
    encoding = _encoding(dsn)
    with psycopg.connect(make_conninfo(dsn, client_encoding=encoding), autocommit=True) as connection:
        return facts.read(connection) | _schema(dsn, pg_dump, encoding)


def _encoding(dsn: str) -> str:
    """SQL_ASCII is read as LATIN1: each byte one character."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SHOW server_encoding").fetchone()
    return "LATIN1" if row is not None and row[0] in ("SQL_ASCII", b"SQL_ASCII") else "UTF8"


def _schema(dsn: str, pg_dump: Path, encoding: str) -> Facts:
    """The entries of a schema dump, without owners: ('dump', heading, 'definition') -> SQL."""
    codec, asked = ("latin-1", "SQL_ASCII") if encoding == "LATIN1" else ("utf-8", "UTF8")
    command = [str(pg_dump), "--schema-only", "--no-owner", *_unchanging(pg_dump), f"--encoding={asked}", "-d", dsn]
    done = subprocess.run(command, check=True, capture_output=True)
    found: dict[Fact, list[str]] = {}
    heading: Fact | None = None
    for line in done.stdout.decode(codec).split("\n"):
        if match := _HEADER.match(line):
            heading = ("dump", f"{match['type']} {match['schema']} {match['name']}", "definition")
            found[heading] = []
        elif (
            heading
            and line not in ("", "--")
            and not line.startswith(("-- PostgreSQL database dump complete", "\\unrestrict", "SET default_"))
        ):
            found[heading].append(line)
    return {fact: "\n".join(lines) for fact, lines in found.items() if not fact[1].startswith(_BY_CATALOGUE)}


def _unchanging(pg_dump: Path) -> list[str]:
    """Since August 2025 a dump holds a random key unless it is given."""
    said = subprocess.run([str(pg_dump), "--help"], check=True, capture_output=True, text=True).stdout
    return ["--restrict-key=x"] if "--restrict-key" in said else []


def _as_expected(found: Facts, original: Facts, expected: Expected) -> Facts:
    """Owners as they should have become. Where another took the owner's place, what either of the two may do is not compared: the new one
    may all, and what the old one had besides owning is up to the request."""
    changed: Facts = {}
    for fact, value in found.items():
        kind, identity, aspect = fact
        old = original.get((kind, identity, "owner"), "")
        new = _owner(old, expected) if old else ""
        if (kind, identity, "owner") == _SERVERS_OWN:
            old, new = found.get(_SERVERS_OWN, ""), "(owner)"
        if aspect == "owner":
            changed[fact] = _owner(value, expected) if found is original else value
        elif aspect == "privileges":
            lines = {
                line.replace(f"\t{old}", f"\t{new}") for line in value.split("\n") if old == new or line.split("\t")[0] not in (old, new)
            }
            changed[fact] = "\n".join(sorted(lines))
        else:
            changed[fact] = value
    # A column's owner is its table's, which is compared there.
    return {
        f: v
        for f, v in changed.items()
        if not (f[2] == "privileges" and not v) and not (f[0] == "column" and f[2] == "owner") and f != _SERVERS_OWN
    }


def _owner(role: str, expected: Expected) -> str:
    return role if role.startswith("pg_") else expected.owner(role)


def _short(value: str | None) -> str:
    if value is None:
        return "nothing"
    text = " | ".join(value.split("\n"))
    return repr(text if len(text) < 300 else text[:300] + "...")
