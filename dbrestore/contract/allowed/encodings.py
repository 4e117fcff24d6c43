"""PostgreSQL's encodings by their names, and those of them that a database can have (PostgreSQL manual, "PostgreSQL Character Sets")."""

import difflib
import re
from typing import Final

_OF_DATABASES: Final = (
    "EUC_CN",
    "EUC_JIS_2004",
    "EUC_JP",
    "EUC_KR",
    "EUC_TW",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "KOI8R",
    "KOI8U",
    *(f"LATIN{n}" for n in range(1, 11)),
    "MULE_INTERNAL",
    "SQL_ASCII",
    "UTF8",
    "WIN866",
    "WIN874",
    *(f"WIN125{n}" for n in range(9)),
)
_OF_CLIENTS_ALONE: Final = ("BIG5", "GB18030", "GBK", "JOHAB", "SHIFT_JIS_2004", "SJIS", "UHC")
_ALIASES: Final = {
    "abc": "WIN1258",
    "alt": "WIN866",
    "koi8": "KOI8R",
    "mskanji": "SJIS",
    "shiftjis": "SJIS",
    "tcvn": "WIN1258",
    "tcvn5712": "WIN1258",
    "unicode": "UTF8",
    "vscii": "WIN1258",
    "win": "WIN1251",
    "win932": "SJIS",
    "win936": "GBK",
    "win949": "UHC",
    "win950": "BIG5",
    "windows932": "SJIS",
    "windows936": "GBK",
    "windows949": "UHC",
    "windows950": "BIG5",
    "windows866": "WIN866",
    "windows874": "WIN874",
    **{f"windows125{n}": f"WIN125{n}" for n in range(9)},
    **{f"iso8859{part}": f"LATIN{n}" for n, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), start=1)},
}


def canonical(name: str) -> str | None:
    """PostgreSQL's own name of an encoding, whatever its case and punctuation (`utf-8` is UTF8); None if it has none of this name."""
    known = {_folded(each): each for each in (*_OF_DATABASES, *_OF_CLIENTS_ALONE)}
    return (known | _ALIASES).get(_folded(name))


def flaw(name: str) -> str | None:
    """Why no database can have this encoding, and what to write instead."""
    found = canonical(name)
    if found is None:
        near = difflib.get_close_matches(name.upper(), _OF_DATABASES, n=1) or ["UTF8"]
        return f"{name!r} isn't an encoding of PostgreSQL: write its name, such as {near[0]}"
    if found in _OF_CLIENTS_ALONE:
        return f"{found} is for clients alone, no database can have it: use UTF8"
    return None


def of_locale(locale: str) -> str | None:
    """The one encoding that a locale goes with, by its name (`en_US.UTF-8`); None if the name does not say."""
    _, _, codeset = locale.partition("@")[0].partition(".")
    return canonical(codeset) if codeset else None


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
