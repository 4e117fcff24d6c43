"""How the local cloud fixes moto: one method at a time, once per process, and never silently.

A name that moto no longer has raises AttributeError at once, so an upgrade of moto cannot leave a fix without effect.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

# In the order in which they were made: a later one stands around an earlier one of the same method.
_fixed: dict[tuple[Any, str, Any], None] = {}
# By what was replaced: what moto has there, and the module that put another value in its place.
replaced: dict[tuple[Any, str], tuple[Any, str]] = {}


def fix(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Put `replacement(original, *arguments)` in the place of `owner.name`; a second time it does nothing.

    A property stays one, and settable if it was; the original of a class method comes bound to `owner`.
    Raises ValueError for a function that is made inside another one: it is a new one with each call, and would be put around itself
    until Python's stack ends.
    """
    if "<locals>" in getattr(replacement, "__qualname__", "<locals>"):
        raise ValueError(f"{replacement!r} is made anew each time: what fixes {owner!r}.{name} has to be a function of a module")
    if (owner, name, replacement) in _fixed:
        return
    original = inspect.getattr_static(owner, name)
    if isinstance(original, property) and original.fget:
        setattr(owner, name, property(_wrapped(original.fget, replacement), original.fset))
    elif isinstance(original, classmethod):
        setattr(owner, name, staticmethod(_wrapped(getattr(owner, name), replacement)))
    else:
        setattr(owner, name, _wrapped(original, replacement))
    _fixed[(owner, name, replacement)] = None


def add(owner: Any, name: str, method: Callable[..., Any]) -> None:
    """Give `owner` a method that moto lacks. If moto has learnt it meanwhile, ours still answers."""
    setattr(owner, name, method)


def replace(owner: Any, name: str, value: Callable[[Any], Any]) -> None:
    """Put `value(original)` in the place of `owner.name`, which is no method; what moto has there stays in `replaced`."""
    original, _ = replaced.setdefault((owner, name), (inspect.getattr_static(owner, name), value.__module__))
    setattr(owner, name, value(original))


def _wrapped(original: Callable[..., Any], replacement: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def fixed(*arguments: Any, **keywords: Any) -> Any:
        return replacement(original, *arguments, **keywords)

    return fixed
