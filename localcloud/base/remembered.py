"""What moto works out anew with every request though it never comes out differently, worked out once; and its longest detours, cut short.

Measured by the CPU of a whole restore, in which moto answers some 350 requests.

| moto 5.2.5 | share | fixed to |
|---|---|---|
| under which names an object may have each member of an answer is found by six classes, per member | 15 % | once per class and member |
| each of the ten kinds that a value of DynamoDB can have is looked for in each value | 8 % | those that are there |
| the addresses of all of a service's operations are put together | 2 % | once per backend's class |
| a path in a state's input or in an event is parsed by a parser that is itself built for it | 3 % | once per path |
| each KMS key makes itself an RSA key, used or not | 3 % | when something is signed with it |
| a state's input, result and context are copied with a note of each text and number | 9 % | lists and objects alone are copied |
| two values of DynamoDB are made anew before they are compared | 4 % | compared as they are, but for numbers and sets |
| the letters of a request's id are drawn one by one | 2 % | at once |
"""

import copy
import string
from collections.abc import Callable
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any

import jsonpath_ng.ext
from moto.core.base_backend import BaseBackend
from moto.core.serialize import AttributePicker, AttributePickerContext, ResponseSerializer
from moto.core.utils import MISSING, get_value
from moto.dynamodb.models.dynamo_type import DDBType, DynamoType
from moto.kms import models as kms
from moto.moto_api._internal.moto_random import MotoRandom
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.eval import states
from moto.stepfunctions.parser.asl.utils import json_path

from localcloud.base.corrections import fix, replace

_urls_by_class: dict[type, dict[tuple[str, ...], Any]] = {}


def install() -> None:
    """Fix moto's haste."""
    fix(ResponseSerializer, "get_value", _member)
    fix(ResponseSerializer, "_serialize_type_structure", _structure)
    fix(BaseBackend, "urls", _urls)
    fix(jsonpath_ng.ext, "parse", _path)
    fix(json_path, "parse", _path)
    fix(kms, "generate_private_key", _key_when_used)
    for module in (states, string_expression, execute_state):
        replace(module, "copy", _with_our_copier)
    fix(DynamoType, "__eq__", _equal)
    fix(MotoRandom, "get_random_string", _random_text)


def _member(original: Callable[..., Any], serializer: Any, value: Any, key: str, shape: Any) -> Any:
    picker = serializer._value_picker
    if not isinstance(picker, AttributePicker):
        return original(serializer, value, key, shape)
    found = None
    for name in _names(picker, value, key, shape):
        found = get_value(value, name, MISSING)
        if found is not MISSING:
            break
        found = None
    for ending, transform in picker.response_transformers.items():
        # Before the path is put together, which is longer or shorter than the key.
        if (ending.endswith(key) or key.endswith(ending)) and ".".join([*serializer.path, key]).endswith(ending):
            return transform(found)
    return found


def _names(picker: AttributePicker, value: Any, key: str, shape: Any) -> tuple[str, ...]:
    # Kept with the shape, which is one structure's own member: the same key has other names in another structure.
    known: dict[tuple[type, type, str], tuple[str, ...]] = shape.__dict__.setdefault("_names_by_class", {})
    asked = (type(picker), type(value), key)
    if asked not in known:
        context = AttributePickerContext(obj=value, key=key, shape=shape)
        known[asked] = tuple(dict.fromkeys(picker.get_possible_keys(context)))
    return known[asked]


def _structure(original: Callable[..., Any], serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    if shape.name != "AttributeValue" or type(value) is not dict or not key:
        original(serializer, serialized, value, shape, key)
        return
    made = serializer.MAP_TYPE()
    for kind, what in value.items():
        if kind in _AS_THEY_ARE and type(what) in (str, bool):
            made[kind] = what
        else:
            serializer._serialize_structure_member(made, value, shape.members[kind], kind)
    serializer._default_serialize(serialized, made, shape, key)


# Kinds of values that are in an answer what they are in the table.
_AS_THEY_ARE = ("S", "N", "BOOL", "NULL")


def _urls(original: Callable[..., Any], backend: Any) -> Any:
    known = _urls_by_class.setdefault(type(backend), {})
    bases = tuple(backend.url_bases)
    if bases not in known:
        known[bases] = original(backend)
    return known[bases]


def _path(original: Callable[..., Any], path: str) -> Any:
    return _parsed(original, path)


@lru_cache(maxsize=500)
def _parsed(original: Callable[..., Any], path: str) -> Any:
    return original(path)


class _KeyWhenUsed:
    """A private key that is made when something is signed with it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _key(self) -> Any:
        return self._make()

    def sign(self, message: bytes, signing_algorithm: str) -> bytes:
        return bytes(self._key.sign(message, signing_algorithm))

    def verify(self, message: bytes, signature: bytes, signing_algorithm: str) -> bool:
        return bool(self._key.verify(message, signature, signing_algorithm))

    def public_key(self) -> bytes:
        return bytes(self._key.public_key())


def _key_when_used(original: Callable[..., Any], key_spec: str) -> _KeyWhenUsed:
    return _KeyWhenUsed(lambda: original(key_spec))


def _with_our_copier(_original: Any) -> SimpleNamespace:
    """What those modules use of the library's `copy`."""
    return SimpleNamespace(deepcopy=_copied)


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: _copied(each) for key, each in value.items()}
    if kind is list:
        return [_copied(each) for each in value]
    return value if kind in _NEVER_CHANGED else copy.deepcopy(value)


_NEVER_CHANGED = frozenset({str, int, float, bool, type(None)})


def _equal(original: Callable[..., bool], one: DynamoType, other: DynamoType) -> bool:
    if one.type == other.type and one.type in _COMPARED_AS_THEY_ARE:
        return bool(one.value == other.value)
    return original(one, other)


_COMPARED_AS_THEY_ARE = frozenset({DDBType.STRING, DDBType.BINARY, DDBType.BOOLEAN})


def _random_text(_original: Any, source: MotoRandom, length: int = 20, include_digits: bool = True, lower_case: bool = False) -> str:
    pool = string.ascii_letters + (string.digits if include_digits else "")
    drawn = "".join(source.choices(pool, k=length))
    return drawn.lower() if lower_case else drawn
