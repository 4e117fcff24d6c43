"""The lexer understands the texts that pg_dump writes, and nothing that could mean something else."""

import pytest

from dbrestore.worker.postgresql.sql_tokens import NotUnderstood, Token, statements, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GRANT", Token("word", "grant")),
        ('"GRANT; ""x"""', Token("name", 'GRANT; "x"')),
        ("'it''s; --'", Token("text", "it's; --")),
        (r"E'a\\b\'c'", Token("text", r"a\b'c")),
        ("42", Token("number", "42")),
        ("größe$1", Token("word", "größe$1")),
        ("ÄB", Token("word", "Äb")),
        ("@#@", Token("operator", "@#@")),
        ("=", Token("symbol", "=")),
        ("==", Token("operator", "==")),
        ("<=", Token("operator", "<=")),
    ],
)
def test_one_token_has_its_meaning(text: str, expected: Token) -> None:
    assert tokens(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "a -- b",
        "a /* b */",
        "$$a$$",
        "'open",
        '"open',
        '""',
        "a +-- b",
        "@/* b */",
        'U&"x"',
        "\\x",
        "E'\\n'",
        "a\x00b",
        "'a\x00'",
        "a:b",
        "{",
        "U&'x' !",
    ],
)
def test_what_could_mean_something_else_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        tokens(text)


def test_semicolons_inside_names_and_texts_end_no_statement() -> None:
    found = statements("a \"x;y\"; b 'c;d';\n;")

    assert [[token.value for token in statement] for statement in found] == [["a", "x;y"], ["b", "c;d"]]
