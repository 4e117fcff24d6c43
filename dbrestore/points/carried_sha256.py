"""SHA-256 that can be put down and carried on elsewhere: of what was read so far are kept the eight words behind the last whole block
(FIPS 180-4, 6.2.2) and the bytes after it.

`hashlib` gives that to nobody, the functions of libcrypto below it do: `SHA256_CTX` is public in `openssl/sha.h`, and the library is the
one that `hashlib` has loaded. Where it lacks them, or doesn't compute the same, everything is hashed as ever and nothing can be carried on.
"""

import _hashlib
import ctypes
import hashlib
import struct
from functools import cache
from typing import Annotated, Final

from pydantic import Field

from dbrestore.contract.document import Document

_BLOCK: Final = 64
_BITS: Final = (1 << 64) - 1


class _Context(ctypes.Structure):
    """`SHA256_CTX`. `bits` is `Nl` and `Nh`, the low word first; `rest` the `filled` bytes after the last whole block."""

    _fields_ = (
        ("words", ctypes.c_uint32 * 8),
        ("bits_low", ctypes.c_uint32),
        ("bits_high", ctypes.c_uint32),
        ("rest", ctypes.c_char * _BLOCK),
        ("filled", ctypes.c_uint),
        ("digest_length", ctypes.c_uint),
    )


class Sha256State(Document):
    """How far a SHA-256 came: `length` bytes, the `words` behind the last whole block (big endian) and the bytes after it, both in
    hexadecimal digits."""

    length: Annotated[int, Field(ge=0, lt=1 << 61)]
    words: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    rest: Annotated[str, Field(pattern="^([0-9a-f]{2}){0,63}$")]

    @property
    def is_possible(self) -> bool:
        """Whether as many bytes are left over as the length says: what is written behind them in memory must be known."""
        return len(self.rest) // 2 == self.length % _BLOCK


class CarriedSha256:
    """From the first byte, or from where a state was taken. Raises ValueError for a state that none can have, or where none can be used."""

    def __init__(self, state: Sha256State | None = None) -> None:
        self._context = _restored(state) if state else _begun()
        self._plain = None if self._context else hashlib.sha256()

    def update(self, piece: bytes) -> None:
        """More bytes."""
        if self._plain:
            self._plain.update(piece)
        else:
            _required().SHA256_Update(ctypes.byref(self._own), piece, ctypes.c_size_t(len(piece)))

    def hexdigest(self) -> str:
        """Of all bytes so far; more may follow."""
        if self._plain:
            return self._plain.hexdigest()
        copy, digest = _Context.from_buffer_copy(self._own), ctypes.create_string_buffer(32)
        _required().SHA256_Final(digest, ctypes.byref(copy))
        return digest.raw.hex()

    def state(self) -> Sha256State | None:
        """To be carried on with; None where nobody could."""
        if self._plain:
            return None
        context = self._own
        length = (context.bits_high << 32 | context.bits_low) // 8
        rest = bytes(context)[_Context.rest.offset :][: context.filled]
        return Sha256State(length=length, words=struct.pack(">8I", *context.words).hex(), rest=rest.hex())

    @property
    def _own(self) -> _Context:
        assert self._context is not None  # noqa: S101 - tells the type checker which of the two it is
        return self._context


def _begun() -> _Context | None:
    if not (library := _library()):
        return None
    context = _Context()
    library.SHA256_Init(ctypes.byref(context))
    return context


def _restored(state: Sha256State) -> _Context:
    if not state.is_possible:
        raise ValueError("the bytes after the last block aren't as many as the length says")
    rest, bits = bytes.fromhex(state.rest), state.length * 8 & _BITS
    context = _Context.from_buffer_copy(bytes(ctypes.sizeof(_Context)))
    context.words[:] = struct.unpack(">8I", bytes.fromhex(state.words))
    context.bits_low, context.bits_high = bits & 0xFFFFFFFF, bits >> 32
    ctypes.memmove(ctypes.addressof(context) + _Context.rest.offset, rest, len(rest))
    context.filled, context.digest_length = len(rest), 32
    _required()
    return context


def _required() -> ctypes.CDLL:
    if not (library := _library()):
        raise ValueError("this computer's libcrypto can't carry a SHA-256 on")
    return library


@cache
def _library() -> ctypes.CDLL | None:
    """libcrypto as `hashlib` has it, if it has these functions."""
    try:
        library = ctypes.CDLL(_hashlib.__file__)
        for function in (library.SHA256_Init, library.SHA256_Update, library.SHA256_Final):
            function.restype = ctypes.c_int
        library.SHA256_Update.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
    except (AttributeError, OSError):
        return None
    return library if _agrees(library) else None


def _agrees(library: ctypes.CDLL) -> bool:
    """Whether it keeps everything where `_Context` says, and computes what `hashlib` does."""
    context, digest, text = _Context(), ctypes.create_string_buffer(32), bytes(range(90))
    library.SHA256_Init(ctypes.byref(context))
    library.SHA256_Update(ctypes.byref(context), text, len(text))
    seen = (context.bits_low, context.bits_high, context.filled, context.digest_length, bytes(context)[_Context.rest.offset :][:26])
    library.SHA256_Final(digest, ctypes.byref(context))
    return (*seen, digest.raw) == (720, 0, 26, 32, text[_BLOCK:], hashlib.sha256(text).digest())
