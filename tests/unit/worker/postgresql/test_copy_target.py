"""A COPY statement is read and rebuilt, or refused."""

import pytest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.worker.postgresql.rows.copy_target import parse


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("COPY app.a (id, x) FROM stdin;\n", 'COPY "app"."a" ("id", "x") FROM STDIN'),
        ('COPY "A b"."c""d;" ("select") FROM stdin;\n', 'COPY "A b"."c""d;" ("select") FROM STDIN'),
        ("COPY a.b  FROM stdin;\n", 'COPY "a"."b" FROM STDIN'),
        ("COPY a.b () FROM stdin;\n", 'COPY "a"."b" FROM STDIN'),
    ],
)
def test_a_copy_from_stdin_is_rebuilt(statement: str, expected: str) -> None:
    assert parse(statement).statement().as_string() == expected


@pytest.mark.parametrize(
    "statement",
    [
        "COPY a.b FROM PROGRAM 'rm -rf /';",
        "COPY a.b FROM '/etc/passwd';",
        "COPY a.b TO stdout;",
        "COPY a.b FROM stdin; DROP TABLE a;",
        "COPY (SELECT 1) TO stdout;",
        "",
        "INSERT INTO a VALUES (1);",
    ],
)
def test_anything_else_is_refused(statement: str) -> None:
    with pytest.raises(BackupDamaged):
        parse(statement)
