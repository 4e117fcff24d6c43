"""SHA-256 and CRC-32 of one file that is read, in one go or by two workers one after the other."""

import base64
from collections.abc import Iterator

from isal import isal_zlib

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import StoredFile
from dbrestore.points.carried_sha256 import CarriedSha256
from dbrestore.points.in_s3.reading_note import FileState


class FileDigests:
    """From the first byte, or from a state. `position` is that of the first byte that will come: what the state knows already isn't counted
    again."""

    def __init__(self, state: FileState | None = None, position: int = 0) -> None:
        self._sha256 = CarriedSha256(state.sha256 if state else None)
        self._crc32 = state.crc32 if state else 0
        self._length = state.sha256.length if state else 0
        self._known = self._length - position

    def update(self, piece: bytes) -> None:
        """More bytes of it."""
        if self._known:
            piece, self._known = piece[self._known :], max(self._known - len(piece), 0)
        self._sha256.update(piece)
        self._crc32 = isal_zlib.crc32(piece, self._crc32)
        self._length += len(piece)

    def noted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces themselves."""
        for piece in pieces:
            self.update(piece)
            yield piece

    def state(self) -> FileState | None:
        """To be carried on with; None where nobody could."""
        sha256 = self._sha256.state()
        return FileState(sha256=sha256, crc32=self._crc32) if sha256 else None

    def compared(self, file: StoredFile) -> StoredFile:
        """The file with both. Raises BackupDamaged if S3 told another one of its copy."""
        sha256, crc32 = self._sha256.hexdigest(), base64.b64encode(self._crc32.to_bytes(4, "big")).decode()
        if file.sha256 not in (None, sha256) or file.crc32 not in (None, crc32) or file.length != self._length:
            raise BackupDamaged(f"{file.place('')} isn't what S3 says of it: add it again")
        return file.model_copy(update={"sha256": sha256, "crc32": crc32})
