"""PostgreSQL's names of encodings and Python's codecs for them."""

from typing import Final

from dbrestore.contract.errors import BackupUnreadable

# PostgreSQL manual, table "PostgreSQL Character Sets". EUC_TW, EUC_JIS_2004, SHIFT_JIS_2004 and MULE_INTERNAL have no sure
# twin in Python.
_CODECS: Final = {
    "UTF8": "utf-8",
    "SQL_ASCII": "latin-1",
    "LATIN1": "latin-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "WIN866": "cp866",
    "WIN874": "cp874",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    "EUC_CN": "gb2312",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "SJIS": "cp932",
    "BIG5": "cp950",
    "GBK": "cp936",
    "UHC": "cp949",
    "GB18030": "gb18030",
    "JOHAB": "johab",
    **{f"WIN125{n}": f"cp125{n}" for n in range(9)},
}


def python_codec(encoding: str) -> str:
    """The codec that reads names and definitions of a dump. SQL_ASCII promises nothing: each byte is one character, both ways.

    Raises BackupUnreadable for an encoding that Python can't read."""
    if encoding not in _CODECS:
        raise BackupUnreadable(f"the dump is in the encoding {encoding}: dump again with pg_dump --encoding=UTF8")
    return _CODECS[encoding]


def readable(text: str, encoding: str) -> str:
    """For a person: a text of an SQL_ASCII dump, in which each byte is one character, as the UTF-8 that it probably is."""
    if encoding != "SQL_ASCII":
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
