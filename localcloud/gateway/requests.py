"""A request as it came in, and an answer as it goes out: bytes, and headers in their order."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

Headers = tuple[tuple[str, str], ...]

# What a URL may be made of (RFC 3986) and the brackets that API Gateway takes: `|`, `{`, `}` and the like have to be encoded (API Gateway
# developer guide, "Known issues").
_TARGET: Final = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+")


@dataclass(frozen=True)
class Request:
    """`target` is the request line's, still encoded; header names are as the client wrote them."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"

    @property
    def is_well_formed(self) -> bool:
        """Whether its target is a URL's."""
        return _TARGET.fullmatch(self.target) is not None

    @property
    def path(self) -> str:
        """Still encoded, with the stage."""
        path = self.target.partition("?")[0]
        return re.sub(r"^[a-z]+://[^/]*", "", path) or "/"

    @property
    def stage(self) -> str:
        """The path's first segment."""
        return self.path.split("/")[1]

    @property
    def path_below_stage(self) -> str:
        """Still encoded, with its slash at the beginning."""
        return self.path[1 + len(self.stage) :] or "/"

    @property
    def query(self) -> str:
        """Still encoded."""
        return self.target.partition("?")[2]

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """Decoded; `;` separates as `&` does."""
        pairs = (one.partition("=") for one in re.split("[&;]", self.query) if one)
        return [(_decoded(name), _decoded(value)) for name, _, value in pairs]

    def header(self, name: str) -> str | None:
        """The last one of this name, in any case."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The first one of this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values by name. Names in another case are other names (API Gateway developer guide, "Known issues")."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="replace")
