"""A generated database as a script: statements that are applied one by one, each on its own."""

from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

# Roles of every generated database. The target lacks GONE; FOREIGN exists there, but its master user may not act for it.
OWNER, FIRST, SECOND, READER, GONE, FOREIGN = (
    "gen_owner",
    "gen_first",
    'Gen "2"; x',
    "gen_reader",
    "gen_gone",
    "gen_foreign",
)
ROLES = (OWNER, FIRST, SECOND, READER, GONE, FOREIGN)
OWNERS = (OWNER, FIRST, SECOND)


@dataclass(frozen=True)
class Statement:
    """One statement and the role that runs it; role None: the server's superuser."""

    text: str
    role: str | None = OWNER


@dataclass(frozen=True)
class Script:
    """What makes one database. `hard` says that objects may be in it which only a superuser can create."""

    encoding: str
    locale: str
    hard: bool
    statements: tuple[Statement, ...]

    def text(self) -> str:
        """The script for a person who wants to repeat it with psql."""
        head = f"-- ENCODING '{self.encoding}' LOCALE '{self.locale}'\n"
        return head + "".join(f"/* {s.role or 'superuser'} */ {s.text};\n" for s in self.statements)


@dataclass
class Applied:
    """What became of a script: the statements that the server took, and the refused ones with its words."""

    taken: list[Statement] = field(default_factory=list)
    refused: list[tuple[Statement, str]] = field(default_factory=list)


def client_encoding(encoding: str) -> str:
    """SQL_ASCII is sent and read as LATIN1, so that each byte is one character."""
    return "LATIN1" if encoding == "SQL_ASCII" else "UTF8"


def create_roles(dsn: str, names: tuple[str, ...]) -> None:
    """Make the roles that are missing, as the user of the DSN."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for name in names:
            if name not in present:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))


def apply(script: Script, superuser_dsn: str, name: str) -> Applied:
    """Create the database `name` of the role OWNER and run the script in it; what the server refuses is left away."""
    create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LOCALE {}").format(
        sql.Identifier(name), sql.Identifier(OWNER), sql.Literal(script.encoding), sql.Literal(script.locale)
    )
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        connection.execute(create)
    done = Applied()
    inside = make_conninfo(superuser_dsn, dbname=name, client_encoding=client_encoding(script.encoding))
    with psycopg.connect(inside, autocommit=True) as connection:
        connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(OWNER)))
        connection.execute("SET statement_timeout = '20s'; SET client_min_messages = error")
        for statement in script.statements:
            _apply_one(connection, statement, done)
    return done


def _apply_one(connection: psycopg.Connection, statement: Statement, done: Applied) -> None:
    become = sql.SQL("SET ROLE {}").format(sql.Identifier(statement.role)) if statement.role else sql.SQL("RESET ROLE")
    try:
        connection.execute(become)
        connection.execute(statement.text.encode(connection.info.encoding))
        done.taken.append(statement)
    except (psycopg.Error, UnicodeEncodeError) as error:
        done.refused.append((statement, str(error).splitlines()[0]))
