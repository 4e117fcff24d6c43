"""Bodies of calls, read strictly: whatever two readers could take differently is refused."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from dbrestore.contract import form_problems, limits
from dbrestore.contract.api.problem import Flaw
from dbrestore.contract.document import Document
from lambdas.entrances.api.refusals import Refusal, malformed

JSON = ("application/json",)
Read = TypeVar("Read", bound=Document)


def raw(event: Mapping[str, Any], most: int = limits.API_BODY_BYTES) -> bytes:
    """The bytes as the caller sent them. Raises Refusal: too many, or not what API Gateway says they are."""
    body = event.get("body")
    if body is None:
        return b""
    try:
        found = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else str(body).encode()
    except (binascii.Error, ValueError) as error:
        raise malformed("is not text in UTF-8: send JSON in UTF-8") from error
    if len(found) > most:
        told = f"has {len(found):,} bytes, {most:,} at most"
        raise Refusal(413, "BodyTooLarge", "The body is too large", f"The body {told}: a request names things, and needs no more")
    return found


def read(event: Mapping[str, Any]) -> dict[str, Any]:
    """The body as a JSON object. Raises Refusal."""
    require_json(header(event, "content-type"))
    return json_object(raw(event))


def json_object(body: bytes) -> dict[str, Any]:
    """Bytes as a JSON object. Raises Refusal."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"is not UTF-8 (byte {error.start}): send JSON in UTF-8") from error
    if not text.strip():
        raise malformed("is empty: send a JSON object")
    value = _parsed(text)
    if not isinstance(value, dict):
        raise malformed("is JSON, but no object: send an object like {...}", "")
    return value


def as_document(body: Mapping[str, Any], model: type[Read], expected: Mapping[str, str], title: str) -> Read:
    """The document of a small body; `expected` says per key what it must be, `title` heads the problem. Raises Refusal with all flaws."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        found = [(form_problems.pointer(place), told) for place, told in form_problems.told(error, model, expected)]
        flaws = [Flaw(pointer=pointer, detail=told) for pointer, told in found]
        detail = "\n".join(f"{pointer}: {told}" for pointer, told in found)
        raise Refusal(422, "RestoreRequestInvalid", title, detail, flaws) from error


def require_json(content_type: str | None) -> None:
    """Raises Refusal for a media type that isn't JSON's. One that isn't told at all is taken for JSON."""
    media_type = (content_type or JSON[0]).partition(";")[0].strip().lower()
    if media_type not in JSON and not media_type.endswith("+json"):
        said = f"The body is said to be {media_type[:100]!r}"
        raise Refusal(415, "MediaTypeUnsupported", "The body must be JSON", f"{said}: send JSON with Content-Type: application/json")


def header(event: Mapping[str, Any], name: str) -> str | None:
    """The value of a header, whatever case its name came in. Raises Refusal if it came with different values."""
    many = event.get("multiValueHeaders") or {key: [value] for key, value in (event.get("headers") or {}).items()}
    values = [value for key, given in many.items() if key.lower() == name for value in given or ()]
    if len(set(values)) > 1:
        raise Refusal(400, "HeaderAmbiguous", "A header came twice", f"The header {name} came with different values: send it once")
    return values[0] if values else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise malformed("is nested too deeply: no request needs that") from error
    except ValueError as error:
        raise malformed(f"is no JSON: {error}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:100]!r} appears twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return value
