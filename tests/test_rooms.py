"""The rules between the rooms of the house: who may import whom. Imports inside functions count.

`docs/architecture.md` has the map. An arrow that is missing here is a decision: say in docs/decisions.md why it is needed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("dbrestore", "lambdas", "infrastructure", "statemachine", "localcloud", "demo")
MOST_MODULES = 25

# What each part may import besides itself.
PARTS = {
    "dbrestore.contract": set(),
    "dbrestore.points": {"dbrestore.contract"},
    "dbrestore.ledger": {"dbrestore.contract"},
    "dbrestore.worker": {"dbrestore.contract", "dbrestore.points"},
    "dbrestore.cli": {"dbrestore.contract", "dbrestore.points", "dbrestore.ledger"},
    "lambdas": {"dbrestore.contract", "dbrestore.points", "dbrestore.ledger"},
    "infrastructure": {"dbrestore.contract", "lambdas.configuration"},
    "statemachine": {"dbrestore.contract"},
    "localcloud": {"dbrestore.contract", "dbrestore.points"},
    "demo": {"dbrestore.contract", "dbrestore.points", "dbrestore.ledger", "dbrestore.cli", "dbrestore.worker.sqlserver", "localcloud"},
}  # fmt: skip

# The rooms of the control plane. Everybody stands on `runtime`; `asked` answer others; a room of the flow may use those before it.
FLOW = ("archive", "placement", "worker", "pairing", "staging", "databases", "closing")
ASKED = ("configuration", "lookup", "network", "estimate")
ENTRANCES = ("planning", "doctor", "entrances")


def modules(part: str) -> Iterator[tuple[str, Path]]:
    """Every module below a package, by its dotted name."""
    for path in sorted((ROOT / part.replace(".", "/")).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def imported(path: Path) -> Iterator[str]:
    """Our modules that a file names in an import, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] in OURS)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            yield from (f"{node.module}.{one.name}" for one in node.names)


def arrows(part: str) -> Iterator[tuple[str, str]]:
    for module, path in modules(part):
        yield from ((module, name) for name in imported(path))


def below(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    allowed = {part} | PARTS[part]

    assert [f"{module} imports {name}" for module, name in arrows(part) if not below(name, allowed)] == []


def room_of(module: str) -> str:
    return module.split(".")[1]


def may_use(user: str, used: str) -> bool:
    if user == used or used == "runtime":
        return True
    if used in ENTRANCES:
        # A command examines what a plan would say; nobody else looks up to an entrance.
        return user == "doctor" and used == "planning"
    if user in ENTRANCES:
        return True
    if user in FLOW and used in FLOW:
        return FLOW.index(used) < FLOW.index(user)
    return used in ASKED and (user in FLOW or (user, used) in {("estimate", "lookup"), ("lookup", "configuration")})


def test_the_rooms_of_the_control_plane_use_each_other_downwards() -> None:
    crossing = [(module, name) for module, name in arrows("lambdas") if name.startswith("lambdas.")]

    assert [
        f"{module} imports {name}" for module, name in crossing if not may_use(room_of(module), room_of(name))
    ] == []
    rooms = {path.name for path in (ROOT / "lambdas").iterdir() if (path / "__init__.py").exists()}
    assert rooms == {"runtime", *FLOW, *ASKED, *ENTRANCES}


def test_the_two_engines_of_the_worker_never_meet() -> None:
    rooms = {"dbrestore.worker.postgresql", "dbrestore.worker.sqlserver"}
    for room in rooms:
        others = rooms - {room}
        assert [f"{module} imports {name}" for module, name in arrows(room) if below(name, others)] == []


def test_what_removes_reads_the_anchor_and_not_the_plan() -> None:
    """Whoever takes `meta().plan` makes things or (the report) says first why it can't be read."""
    readers = set()
    for module, path in modules("lambdas"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "plan":
                origin = ast.unparse(node.value)
                readers |= {module} if origin == "meta" or origin.endswith(".meta()") else set()

    assert readers == {"lambdas.archive.request_retrieval", "lambdas.runtime.ledger", "lambdas.closing.close_restore"}


def packages() -> list[Path]:
    found = {path.parent for part in OURS for _, path in modules(part)}
    return sorted(found)


@pytest.mark.parametrize("folder", packages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_says_what_it_is_for_and_is_not_a_warehouse(folder: Path) -> None:
    here = [path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]

    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert len(here) <= MOST_MODULES
