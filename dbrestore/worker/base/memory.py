"""Memory that was freed and that the C library keeps for later: a parser leaves as much of it as what it has read takes, in pieces that
Python's own objects never use."""

import ctypes


def give_back() -> None:
    """To the system, where the C library is one that can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
