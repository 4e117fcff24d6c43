"""The rules between the rooms of the house: who may import whom. Imports inside functions count.

`docs/architecture.md` has the map. An arrow that is missing here is a decision: say in docs/decisions.md why it is needed.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("dbrestore", "lambdas", "infrastructure", "statemachine", "localcloud", "demo", "acceptance")
MOST_MODULES = 25

# What each part may import besides itself.
PARTS = {
    "dbrestore.contract": set(),
    "dbrestore.points": {"dbrestore.contract"},
    "dbrestore.ledger": {"dbrestore.contract"},
    "dbrestore.prices": {"dbrestore.contract"},
    "dbrestore.evidence": {"dbrestore.contract"},
    "dbrestore.worker": {"dbrestore.contract", "dbrestore.points"},
    "dbrestore.cli": {"dbrestore.contract", "dbrestore.points", "dbrestore.prices", "dbrestore.ledger", "dbrestore.evidence"},
    "lambdas": {"dbrestore.contract", "dbrestore.points", "dbrestore.prices", "dbrestore.ledger", "dbrestore.evidence"},
    "infrastructure": {"dbrestore.contract", "lambdas.configuration"},
    "statemachine": {"dbrestore.contract"},
    "localcloud": {"dbrestore.contract", "dbrestore.points"},
    "acceptance": {
        "dbrestore.contract",
        "dbrestore.points",
        "dbrestore.ledger",
        "dbrestore.cli",
        "dbrestore.worker.sqlserver",
        "infrastructure",
        "lambdas.runtime.aws",
        "lambdas.worker",
        "localcloud.base",
        "localcloud.postgresql",
        "localcloud.stacks.assets",
    },
    "demo": {"dbrestore.contract", "dbrestore.points", "dbrestore.ledger", "dbrestore.cli", "dbrestore.worker.sqlserver", "localcloud"},
}

# The rooms of the control plane. Everybody stands on `runtime`; `asked` answer others; a room of the flow may use those before it.
FLOW = ("approval", "archive", "placement", "worker", "pairing", "staging", "databases", "adding", "closing")
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

    assert [f"{module} imports {name}" for module, name in crossing if not may_use(room_of(module), room_of(name))] == []
    rooms = {path.name for path in (ROOT / "lambdas").iterdir() if (path / "__init__.py").exists()}
    assert rooms == {"runtime", *FLOW, *ASKED, *ENTRANCES}


def test_the_two_engines_of_the_worker_never_meet() -> None:
    rooms = {"dbrestore.worker.postgresql", "dbrestore.worker.sqlserver"}
    for room in rooms:
        others = rooms - {room}
        assert [f"{module} imports {name}" for module, name in arrows(room) if below(name, others)] == []


# A module of an engine bears one of these names, or lies in a room that does.
ENGINE_ROOMS = {"postgresql", "sqlserver", "pgdump"}
ENGINES = {"postgres", "sqlserver"}
OF_ONE_ENGINE = {"native", "native_databases", "postgres"}
# How often a module may still ask, and why.
MAY_ASK = {
    # It makes one list of the two, for everybody.
    "dbrestore.contract.manifest": 1,
    # A report shows the section of PostgreSQL's choices if it is there, and hands it on without looking into it.
    "dbrestore.cli.views.report": 2,
    "lambdas.closing.close_restore": 1,
    # Evidence tells what of a request lets a result differ from the backup.
    "dbrestore.evidence.gathering": 1,
    # The plan is put together of the parts' sections; and whether instance and point are of one engine is the question itself.
    "lambdas.planning.plan_restore": 3,
    # The room is SQL Server's alone: a plan without the section is a contradiction, which it says.
    "lambdas.staging.bucket": 2,
    # Whose storage grows by itself, RDS's name for the engine alone tells.
    "dbrestore.contract.allowed.engines": 1,
}


def is_engine_word(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.Set | ast.List):
        return bool(node.elts) and all(map(is_engine_word, node.elts))
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and (node.value in ENGINES or node.value.startswith(("sqlserver-", "aurora")))
    return (isinstance(node, ast.Attribute) and node.attr in {"engine", "POSTGRES", "SQLSERVER"}) or (
        isinstance(node, ast.Name) and node.id == "engine"
    )


def asks(node: ast.AST) -> bool:
    """A comparison with an engine, a look at the beginning of its name, a table by engine that isn't called ENGINES, or a read of what
    only one engine's plan or manifest has."""
    if isinstance(node, ast.Compare):
        sides = (node.left, *node.comparators)
        # Whether it is known at all is another question.
        return any(map(is_engine_word, sides)) and not any(isinstance(one, ast.Constant) and one.value is None for one in sides)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith":
        return any(map(is_engine_word, node.args))
    if isinstance(node, ast.Dict):
        return bool(node.keys) and all(key is not None and is_engine_word(key) for key in node.keys)
    if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return False
    return node.attr in OF_ONE_ENGINE or (node.attr == "databases" and ast.unparse(node.value).endswith("manifest"))


def tables(tree: ast.AST) -> Iterator[ast.expr | None]:
    """What is assigned to ENGINES."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (node.value for target in targets if isinstance(target, ast.Name) and target.id == "ENGINES")


def questions(tree: ast.AST) -> list[str]:
    exempt = set(tables(tree))
    return [ast.unparse(node)[:80] for node in ast.walk(tree) if node not in exempt and asks(node)]


def test_nobody_asks_which_engine_it_is_but_the_tables_and_the_engines_own_rooms() -> None:
    asked = {
        module: questions(ast.parse(path.read_text()))
        for part in ("dbrestore", "lambdas")
        for module, path in modules(part)
        if not ENGINE_ROOMS & set(module.split("."))
    }

    assert {module: found for module, found in asked.items() if len(found) > MAY_ASK.get(module, 0)} == {}
    assert {module for module, most in MAY_ASK.items() if len(asked[module]) < most} == set()


@pytest.mark.parametrize(
    "text",
    [
        'plan.engine == "postgres"',
        'engine in ("sqlserver",)',
        'name.startswith("sqlserver-")',
        "plan.native",
        "manifest.databases",
        'PARTS = {"postgres": 1, "sqlserver": 2}',
        "found.manifest.native_databases",
        "engine is Engine.SQLSERVER",
    ],
)
def test_a_question_for_the_engine_is_seen(text: str) -> None:
    assert len(questions(ast.parse(text))) == 1


def test_every_table_of_engines_has_a_row_for_each() -> None:
    found = {
        f"{module}": {key.value for key in table.keys if isinstance(key, ast.Constant)}
        for part in ("dbrestore", "lambdas")
        for module, path in modules(part)
        for table in tables(ast.parse(path.read_text()))
        if isinstance(table, ast.Dict)
    }

    assert len(found) > 8
    assert {module: rows for module, rows in found.items() if rows != ENGINES} == {}


def test_the_plan_alone_chooses_backup_sets() -> None:
    chosen_by = set()
    for part in ("dbrestore", "lambdas"):
        for module, path in modules(part):
            calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}
            if calls & {"needed", "needed_sets.needed"}:
                chosen_by.add(module)

    # `points verify` says what a plan would choose; it restores nothing.
    assert chosen_by == {"lambdas.planning.sqlserver.part", "dbrestore.points.restorable"}


def searches(tree: ast.AST) -> list[str]:
    """Walks over backups of a manifest that compare names."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and ast.unparse(node.iter).split(".")[-1] in {
            "backups",
            "databases",
            "native_databases",
        }:
            inside = node.body if isinstance(node, ast.For) else node.ifs
            tests = [ast.unparse(one) for part in inside for one in ast.walk(part) if isinstance(one, ast.Compare)]
            found += [test for test in tests if ".name == " in test and "manifest" in ast.unparse(node.iter)]
    return found


def test_a_database_is_looked_up_in_a_manifest_in_one_way() -> None:
    found = {
        module: found
        for part in ("dbrestore", "lambdas")
        for module, path in modules(part)
        if (found := searches(ast.parse(path.read_text())))
    }

    assert found == {}
    assert searches(ast.parse("next(b for b in plan.manifest.databases if b.name == name)"))


def test_what_removes_reads_the_anchor_and_not_the_plan() -> None:
    """Whoever takes `meta().plan` makes things or (the report) says first why it can't be read."""
    readers = set()
    for module, path in modules("lambdas"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "plan":
                origin = ast.unparse(node.value)
                readers |= {module} if origin == "meta" or origin.endswith(".meta()") else set()

    making = {"lambdas.archive.request_retrieval", "lambdas.runtime.ledger", "lambdas.planning.exchanges"}
    assert readers == {*making, "lambdas.closing.close_restore"}


def packages() -> list[Path]:
    found = {path.parent for part in OURS for _, path in modules(part)}
    return sorted(found)


@pytest.mark.parametrize("folder", packages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_says_what_it_is_for_and_is_not_a_warehouse(folder: Path) -> None:
    here = [path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]

    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert len(here) <= MOST_MODULES


# What comes in from outside is given: `Surroundings` and `Bounds` of the control plane, `Bounds` and the stopwatch of the worker.
PATCHES = {"setattr", "delattr", "setitem", "delitem", "patch", "patch.object", "patch.dict"}
MAY_PATCH = {
    # The handler is logging's own, and pytest has its stream replaced before it is looked at.
    "tests.unit.lambdas.runtime.test_telemetry": 1,
}


def root(node: ast.expr) -> ast.expr:
    """`a` of `a.b[0].c()`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def is_ours(node: ast.expr, names: set[str]) -> bool:
    """Something that was imported from the product, or a text that names it."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.startswith(("dbrestore.", "lambdas."))
    found = root(node)
    return isinstance(found, ast.Name) and found.id in names


def from_the_product(tree: ast.AST) -> set[str]:
    """The names by which a module has what it imported from the product."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("dbrestore", "lambdas"):
            names |= {one.asname or one.name for one in node.names}
        elif isinstance(node, ast.Import):
            names |= {one.asname or one.name.split(".")[0] for one in node.names if one.name.split(".")[0] in ("dbrestore", "lambdas")}
    return names


def everything_imported(tree: ast.AST) -> set[str]:
    return {one.asname or one.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for one in node.names}


def is_another_time(call: ast.Call, imported: set[str]) -> bool:
    """Whether some module that a loop found is given another `time` or `datetime`: the product's may be among them."""
    where, what = (*call.args, None, None)[:2]
    return (
        isinstance(where, ast.Name) and where.id not in imported and isinstance(what, ast.Constant) and what.value in ("time", "datetime")
    )


def patches(tree: ast.AST) -> list[str]:
    """Where an attribute of a module or class of the product is given another value."""
    names, imported, found = from_the_product(tree), everything_imported(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and (is_ours(node.args[0], names) or is_another_time(node, imported)):
            called = ast.unparse(node.func)
            found += [ast.unparse(node)] if any(called == one or called.endswith("." + one) for one in PATCHES) else []
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
            found += [ast.unparse(node) for one in parts if isinstance(one, ast.Attribute | ast.Subscript) and is_ours(one, names)]
    return found


def test_no_test_gives_the_product_another_inside() -> None:
    found = {
        module: where
        for part in ("tests", "benchmarks", "demo")
        for module, path in modules(part)
        if (where := patches(ast.parse(path.read_text())))
    }

    assert {module: where for module, where in found.items() if len(where) > MAY_PATCH.get(module, 0)} == {}
    assert {module for module, most in MAY_PATCH.items() if len(found.get(module, ())) < most} == set()


@pytest.mark.parametrize(
    "text",
    [
        'from dbrestore.contract import limits\nmonkeypatch.setattr(limits, "VISIBLE_AFTER", 0)',
        "from dbrestore.contract import limits\nlimits.VISIBLE_AFTER = 0",
        "from dbrestore.contract import limits\nold, limits.VISIBLE_AFTER = limits.VISIBLE_AFTER, 0",
        'import lambdas.runtime.aws as aws\nsetattr(aws, "COPYING", None)',
        'from dbrestore.worker.base import secrets\nmonkeypatch.setattr(secrets.time, "sleep", pause)',
        'mock.patch("lambdas.runtime.aws.translated")',
        'for module in sys.modules.values():\n    patch.setattr(module, "datetime", Later)',
        'monkeypatch.setattr("dbrestore.contract.limits.VISIBLE_AFTER", 0)',
    ],
)
def test_a_patch_is_seen(text: str) -> None:
    assert len(patches(ast.parse(text))) == 1


# The local cloud and the tests have switches and durations of their own, which a test may set. Their functions it calls, and replaces none.
EVERYTHING_OF_OURS = (*OURS, "checks", "benchmarks", "tests")
MAY_REPLACE = {
    # Nobody waits there: the clock jumps to what happens next.
    "benchmarks.virtual_time": {"wait"},
}


def functions_of(name: str) -> set[str]:
    """All functions and methods that a module defines, or the module that defines what is imported from it."""
    for found in (name, name.rpartition(".")[0]):
        path = (ROOT / found.replace(".", "/")).with_suffix(".py")
        if path.exists():
            return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    return set()


def sources(tree: ast.AST) -> dict[str, str]:
    """What each name that was imported from something of ours stands for."""
    return {
        one.asname or one.name: f"{node.module}.{one.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in EVERYTHING_OF_OURS
        for one in node.names
    }


def replaced(tree: ast.AST) -> set[str]:
    """The functions of ours for which a test puts another one."""
    imported, found = sources(tree), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".setattr") and len(node.args) > 1:
            where, what = node.args[0], node.args[1]
            if isinstance(where, ast.Name) and isinstance(what, ast.Constant) and what.value in functions_of(imported.get(where.id, "")):
                found.add(str(what.value))
    return found


def test_no_test_replaces_a_function_of_ours() -> None:
    found = {
        module: names
        for part in ("tests", "benchmarks", "demo")
        for module, path in modules(part)
        if ".setattr(" in (text := path.read_text()) and (names := replaced(ast.parse(text)))
    }

    assert found == MAY_REPLACE
    assert replaced(ast.parse('from localcloud.base import clock\npatch.setattr(clock, "wait", quickly)')) == {"wait"}
    assert replaced(ast.parse('from localcloud.server import LocalCloudError\npatch.setattr(LocalCloudError, "x", quickly)')) == set()


MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 40
# What is longer, and why.
TABLES = {
    # The tree of errors: a class and its sentence each.
    "dbrestore.contract.errors",
    # What SQL Server and RDS say, row by row.
    "dbrestore.worker.sqlserver.meanings",
    "localcloud.sqlserver.texts",
    # The statements of the roles, one by one.
    "infrastructure.permissions",
}


def long_modules(part: str) -> Iterator[str]:
    for module, path in modules(part):
        if len(path.read_text().splitlines()) > MOST_LINES_OF_A_MODULE:
            yield module


def long_functions(part: str) -> Iterator[str]:
    for module, path in modules(part):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION:
                yield f"{module}.{node.name}"


def test_modules_and_functions_are_short_but_for_tables() -> None:
    parts = (*OURS, "benchmarks", "tests")
    found = {*(name for part in OURS for name in long_modules(part)), *(name for part in parts for name in long_functions(part))}

    assert found - TABLES == set()
    assert TABLES - found == set(), "what is short by now needs no exception"


def test_nothing_is_formatted_by_hand() -> None:
    by_hand = re.compile(r"#\s*fmt:\s*(skip|off)")
    paths = [path for part in (*OURS, "tests", "benchmarks", "checks", "docs") for _, path in modules(part)]

    assert len(paths) > 1000
    assert [path.name for path in paths if by_hand.search(path.read_text())] == []
