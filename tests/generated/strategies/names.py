"""Names and texts of every kind."""

from typing import Any

from hypothesis import strategies as st

# `{}` becomes a number, so that no two names are the same.
_ASCII = (
    "t{}",
    "t{}",
    "t{}",
    "t{}",
    "Upper{}",
    "with space {}",
    'quote"{}',
    "apos'{}",
    "semi;colon {}",
    "a IS '{}",
    "paren({}",
    ")close {}",
    "dot.{}",
    "comma,{}",
    "--comment {}",
    "/* {}",
    "$${}",
    "back\\slash{}",
    "select_{}",
    "{}digits",
    "percent%s{}",
    "new\nline {}",
    "tab\t{}",
    "x" * 55 + "{}",
    "a; DROP TABLE b{}",
    "{{{}}}",
    ":colon{}",
    "NULL {}",
    "OWNER TO {}",
    "-{}",
    "@{}",
    "#{}",
)
_KEYWORDS = (
    "select",
    "table",
    "user",
    "order",
    "group",
    "all",
    "default",
    "check",
    "primary",
    "left",
    "analyze",
    "current_user",
)
_BEYOND = {
    "UTF8": ("Größe {}", "日本{}", "emoji😀{}", "é́{}", "ß{}", "Ünï“{}”", "\u00a0nbsp{}", "İ{}", "ア" * 19 + "{}"),
    "LATIN1": ("Größe {}", "ñandú{}", "ß{}", "×÷{}", "\u00a0nbsp{}"),
    "SQL_ASCII": ("Gr\u00f6\u00dfe {}", "\u00c3\u00bc{}", "\u00ff\u00fe{}", "caf\u00e9 {}"),
    "EUC_JP": ("日本{}", "カタカナ{}", "漢字 {}", "ひら;がな{}"),
}
_TEXTS = (
    "",
    "plain",
    "it's",
    'say "x"',
    "a\nb",
    "a\tb",
    "back\\slash",
    "\\.",
    "\\N",
    "NULL",
    "; DROP",
    "$$",
    "%s %%",
    " lead",
    "x" * 300,
)


def quoted(name: str) -> str:
    """As an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """As a text literal, whatever standard_conforming_strings is."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def odd(draw: Any, number: int, encoding: str) -> str:
    """A name that no other number gives; keywords come with the first numbers only."""
    style = draw(st.integers(0, 9))
    if style == 9 and number % 7 == 0 and number // 7 < len(_KEYWORDS):
        return _KEYWORDS[number // 7]
    choices = _ASCII if style < 7 else _BEYOND[encoding]
    return draw(st.sampled_from(choices)).format(number)


def text(draw: Any, encoding: str) -> str:
    """A text that the encoding can hold."""
    beyond = tuple(t.format("!") for t in _BEYOND[encoding])
    return draw(st.sampled_from(_TEXTS + beyond))
