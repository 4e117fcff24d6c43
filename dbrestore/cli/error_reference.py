"""The reference page of the errors, made of their tree: docs/errors.md."""

import re
from collections.abc import Iterator
from textwrap import wrap

from dbrestore.contract.error_names import ERRORS, GROUPS, children
from dbrestore.contract.errors import RestoreError

_WIDTH = 110
_CODE_COLUMN = 35


def page() -> str:
    """Markdown: the tree, the groups, then every error."""
    return "\n".join(
        [
            "# Errors",
            "",
            "Generated from `dbrestore/contract/errors.py` and `sqlserver_errors.py` by `make docs`. What to do about each:",
            "[operations.md](operations.md#errors). The exit codes: [commands.md](commands.md#exit-codes).",
            "",
            "```text",
            drawing(),
            "```",
            "",
            "A group is what Python code catches (`except NotFound`); no execution, report or event ends with its name. Everything in a",
            "group has the group's exit code. An error whose name isn't here, such as `States.Timeout` or one of another version, has 1.",
            "If something is left behind, the code of a restore is 5, whatever its error. As the end of a restore, `NotReady` has 1:",
            "the last of many attempts failed. `AwsRefused` has 12 when permissions or credentials were refused.",
            "",
            "| group | exit code | in | what it means |",
            "|---|---|---|---|",
            *(_row(f"`{kind.__name__}`", kind) for kind in GROUPS),
            "",
            "| error | exit code | in | what happened |",
            "|---|---|---|---|",
            *(_row(f"[{name}](operations.md#{name.lower()})", kind) for name, kind in ERRORS.items()),
            "",
        ]
    )


def drawing() -> str:
    """The tree with its exit codes; the errors of a group stand side by side."""
    return "\n".join([_with_code(RestoreError.__name__, RestoreError), *_branches(children(RestoreError), "")])


def _branches(kinds: list[type[RestoreError]], indent: str) -> Iterator[str]:
    for kind in kinds:
        is_last = kind is kinds[-1]
        yield _with_code(f"{indent}{'└── ' if is_last else '├── '}{kind.__name__}", kind)
        yield from _inside(kind, indent + ("    " if is_last else "│   "))


def _inside(group: type[RestoreError], indent: str) -> Iterator[str]:
    """The groups in a group, then its errors."""
    below = children(group)
    yield from _branches([kind for kind in below if children(kind)], indent)
    names = ", ".join(kind.__name__ for kind in below if not children(kind))
    yield from (f"{indent}{line}" for line in wrap(names, _WIDTH - len(indent)))


def _with_code(line: str, kind: type[RestoreError]) -> str:
    return f"{line:<{_CODE_COLUMN}}{kind.exit_code:>3}"


def _row(shown: str, kind: type[RestoreError]) -> str:
    parent = kind.__bases__[0].__name__
    return f"| {shown} | {int(kind.exit_code)} | `{parent}` | {_sentence(kind)} |"


def _sentence(kind: type[RestoreError]) -> str:
    """The first of the docstring."""
    text = " ".join((kind.__doc__ or "").split())
    return re.split(r"(?<=\.) (?=[A-Z])", text)[0].replace("|", "&#124;")
