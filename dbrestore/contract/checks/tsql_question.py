"""A question in T-SQL becomes the rows of a derived table, where the server's grammar takes a query and nothing else: no second statement,
no INTO, no EXEC, no variable that is set, no DELETE (error 10729).

Invariant: a text can't get out of the parentheses that it is put into, because quotes, comments and parentheses were read as SQL Server
reads them (Microsoft Learn, "Slash star", "Double hyphen", "Database identifiers"), and what is not wholly understood is refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

ADVICE: Final = "write it as a single SELECT of T-SQL that can stand in FROM (...)"

Kind = Literal["line", "text", "name", "number", "word", "sign"]

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<line>--[^\n]*)
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
    |(?P<number>\.?\d[\w.]*)
    |(?P<word>[^\W\d][\w@$#]*|[@#][\w@$#]*)
    |(?P<sign>[^'"\[\]])""",
    re.VERBOSE | re.DOTALL,
)
# Where a server could see the end of a line, and so of a comment, that we don't see.
_OTHER_LINE_ENDS: Final = re.compile("\r(?!$)|[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_BLOCK: Final = re.compile(r"/\*|\*/")
_ELSEWHERE: Final = frozenset({"OPENROWSET", "OPENQUERY", "OPENDATASOURCE"})
_LET_ORDER: Final = frozenset({"TOP", "OFFSET", "FOR"})
# A name with more dots begins with a linked server.
_MOST_DOTS: Final = 2


class NotOneQuestion(ValueError):
    """The text can't stand as a derived table; the message says why, and can follow `the check is ...`."""


@dataclass(frozen=True)
class _Token:
    """`start` and `end` are its place in the text."""

    kind: Kind
    text: str
    start: int
    end: int

    def is_(self, *texts: str) -> bool:
        """Whether it is one of these signs or unquoted words, which are given in capitals."""
        return self.kind in ("sign", "word") and self.text.upper() in texts


@dataclass(frozen=True)
class Question:
    """`tables` is what stands before the query: `WITH ...`, or nothing. `query` is what the rows come from."""

    tables: str
    query: str

    @property
    def value(self) -> str:
        """Asks for one value, and shows whether there is a second one."""
        return f"{self.tables}SELECT TOP (2) [value] FROM (\n{self.query}\n) AS [answer] ([value])"  # noqa: S608 (what `read` has read)

    def count(self, columns: int) -> str:
        """Asks for the number of rows, which have so many columns: each needs a name there."""
        names = ", ".join(f"[c{number}]" for number in range(1, columns + 1))
        return f"{self.tables}SELECT COUNT_BIG(*) AS [value] FROM (\n{self.query}\n) AS [answer] ({names})"  # noqa: S608 (the same)


def read(text: str) -> Question:
    """Raises NotOneQuestion."""
    tokens = list(_tokens(text))
    while tokens and tokens[-1].is_(";"):
        tokens.pop()
    if not tokens or not tokens[0].is_("SELECT", "WITH", "("):
        raise NotOneQuestion("not a query of T-SQL, which begins with SELECT or WITH")
    _require_inside(tokens)
    _require_here(tokens)
    begin = _after_tables(tokens) if tokens[0].is_("WITH") else 0
    _require_unordered(tokens[begin:])
    place, end = tokens[begin].start, tokens[-1].end
    return Question(f"{text[tokens[0].start : place].rstrip()}\n" if begin else "", text[place:end])


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        if text.startswith("/*", position):
            position = _after_comment(text, position)
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            raise NotOneQuestion(f"not ended: {text[position]} at character {position + 1} has no end")
        if found.lastgroup == "line" and _OTHER_LINE_ENDS.search(found[0]):
            raise NotOneQuestion("unclear: a comment behind -- holds a character that may end its line, so write it between /* and */")
        if found.lastgroup not in ("space", "line"):
            yield _Token(found.lastgroup, found[0], position, found.end())  # type: ignore[arg-type]  # the groups above
        position = found.end()


def _after_comment(text: str, position: int) -> int:
    """They nest."""
    depth = 0
    for found in _BLOCK.finditer(text, position):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    raise NotOneQuestion("not ended: the comment at /* has no end")


def _require_inside(tokens: Sequence[_Token]) -> None:
    depth = 0
    for token in tokens:
        depth += token.is_("(") - token.is_(")")
        if depth < 0:
            raise NotOneQuestion("not one statement: it closes a parenthesis that it did not open")
        if token.is_(";"):
            raise NotOneQuestion("more than one statement")
    if depth:
        raise NotOneQuestion("not ended: it opens a parenthesis that it does not close")


def _require_here(tokens: Sequence[_Token]) -> None:
    """What the server refuses as well, to a user that is nobody outside of the database; here it is said before anything is restored."""
    dots = 0
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.is_(*_ELSEWHERE) and following and following.is_("("):
            raise NotOneQuestion(f"about more than the database: {token.text.upper()} reads from elsewhere")
        dots = dots + token.is_(".") if token.is_(".") or token.kind in ("word", "name") else 0
        if dots > _MOST_DOTS:
            raise NotOneQuestion("about more than the database: a name of four parts is one of another server")
        if token.kind in ("word", "name") and not (following and following.is_(".")):
            dots = 0


def _require_unordered(tokens: Sequence[_Token]) -> None:
    """What the server says no sooner than the tables are there (1033)."""
    depth, outside = 0, set[str]()
    for token in tokens:
        depth += token.is_("(") - token.is_(")")
        if depth == 0 and token.kind == "word":
            outside.add(token.text.upper())
    if "ORDER" in outside and not outside & _LET_ORDER:
        raise NotOneQuestion("ordered, which rows in FROM (...) can't be without TOP")


def _after_tables(tokens: Sequence[_Token]) -> int:
    """The place of the query behind `WITH name (columns) AS (query), ...`. Its parts are in parentheses too, so they can't be more."""
    place = 1
    while True:
        place = _after_group(tokens, _after_name(tokens, place), optional=True)
        if not (place < len(tokens) and tokens[place].is_("AS")):
            raise NotOneQuestion("not understood: WITH needs a name, AS and a query in parentheses")
        place = _after_group(tokens, place + 1)
        if not (place < len(tokens) and tokens[place].is_(",")):
            break
        place += 1
    if not (place < len(tokens) and tokens[place].is_("SELECT", "VALUES", "(")):
        raise NotOneQuestion("not a query: SELECT must follow WITH ... AS (...)")
    return place


def _after_name(tokens: Sequence[_Token], place: int) -> int:
    if not (place < len(tokens) and tokens[place].kind in ("word", "name")):
        raise NotOneQuestion("not understood: WITH needs a name, AS and a query in parentheses")
    return place + 1


def _after_group(tokens: Sequence[_Token], place: int, *, optional: bool = False) -> int:
    if not (place < len(tokens) and tokens[place].is_("(")):
        if optional:
            return place
        raise NotOneQuestion("not understood: WITH needs a name, AS and a query in parentheses")
    depth = 0
    for number, token in enumerate(tokens[place:], start=place):
        depth += token.is_("(") - token.is_(")")
        if depth == 0:
            return number + 1
    raise NotOneQuestion("not ended: it opens a parenthesis that it does not close")
