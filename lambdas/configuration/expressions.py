"""JMESPath expressions of the configuration: what is wrong with one before it is deployed, and its value for an event.

In a mapping a string is either an expression, `{% issue.key %}`, or means itself, as in a Step Functions definition; nothing is put
together from pieces of text. JMESPath (jmespath.org) reads and computes, and can't reach anything but the event.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.lexer import Lexer
from jmespath.parser import ParsedResult

LONGEST = 2000
# The whole string, blanks inside the braces being nobody's.
_EXPRESSION = re.compile(r"\{%(.*)%\}", re.DOTALL)
_COMPARISONS = ("eq", "ne")
# What an expression can come to for an event that isn't shaped as its author thought: nothing of it is a fault of ours.
_MISFITS = (JMESPathError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class NoValue(Exception):
    """The expression can't be evaluated for this event. The message may hold pieces of the event."""


def inside(value: Any) -> str | None:
    """The expression that the value of a mapping is, or None for one that means itself."""
    found = _EXPRESSION.fullmatch(value) if isinstance(value, str) else None
    return found[1].strip() if found else None


def is_half(value: str) -> bool:
    """Whether it has the marks of an expression and is none: somebody expects a text to be put together."""
    return _EXPRESSION.fullmatch(value) is None and ("{%" in value or "%}" in value)


def value_of(expression: str, event: Any) -> Any:
    """JSON, or None for what the event doesn't have. Raises NoValue."""
    try:
        return _compiled(expression).search(event)
    except _MISFITS as misfit:
        raise NoValue(f"{expression}: {misfit}") from misfit


def flaw(expression: str) -> str | None:
    """What is wrong with it, as the predicate of a sentence, or None."""
    if not expression.strip():
        return "is empty: write a JMESPath expression"
    if len(expression) > LONGEST:
        return f"has more than {LONGEST:,} characters"
    try:
        parsed = _compiled(expression).parsed
    except (JMESPathError, ValueError, RecursionError) as error:
        return f"is no JMESPath expression: {' '.join(str(error).split())[:200]}"
    return next(_wrong_calls(parsed), None) or _mistaken_text(expression)


@cache
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


def _wrong_calls(node: Mapping[str, Any]) -> Iterator[str]:
    """JMESPath itself finds these only when it comes to them."""
    if node["type"] == "function_expression":
        name, given = node["value"], len(node["children"])
        known = Functions.FUNCTION_TABLE.get(name)
        if known is None:
            yield f"calls {name}(), which JMESPath doesn't have: it has {', '.join(sorted(Functions.FUNCTION_TABLE))}"
        elif given != len(known["signature"]) and not (known["signature"][-1].get("variadic") and given):
            yield f"calls {name}() with {given} arguments instead of {len(known['signature'])}"
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _wrong_calls(child)


def _mistaken_text(expression: str) -> str | None:
    """`"opened"` is a key of the event in JMESPath, so `action == "opened"` would never be true."""
    for token, following in pairwise(Lexer().tokenize(expression)):
        if token["type"] in _COMPARISONS and following["type"] == "quoted_identifier":
            text = following["value"]
            return f"compares with the key {text!r}, because JMESPath's texts have single quotes: write '{text}'"
    return None
