"""Write what follows from the code: `docs/contract/*.schema.json` from the models, `docs/contract/openapi.json` from the routes of the HTTP
API, `docs/functions.md` from the table of functions, `docs/commands.md` from the command's own help, `docs/errors.md` from the tree of
errors, `docs/native-errors.md` and `docs/simulated-sqlserver.md` from the code's tables of texts,
`statemachine/restore_databases.asl.json` from `statemachine/definition.py`.

python docs/generate.py            write
python docs/generate.py --check    write nothing; end with 1 and the names of the files that aren't what their source makes
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Literal

from acceptance.sheet import Sheet
from dbrestore.cli import error_reference, reference
from dbrestore.contract import anchor, drills, job, record, request, sections
from dbrestore.contract import evidence as evidence_document
from dbrestore.contract import plan as contract
from dbrestore.contract.adoption import answers as adoption_answers
from dbrestore.contract.adoption import rules as adoption_rules
from dbrestore.contract.allowed import reading_places
from dbrestore.contract.document import Document
from dbrestore.contract.manifest import Manifest
from dbrestore.contract.questions import additions, cancellation, worker_configuration
from dbrestore.contract.questions import examination as doctor_findings
from dbrestore.contract.swaps import orders as swap_orders
from dbrestore.points.in_s3 import reading_note, unfinished
from dbrestore.worker.sqlserver import messages as native_messages
from infrastructure.functions import FUNCTIONS, Function
from infrastructure.statements import Statement
from lambdas.configuration import access as access_configuration
from lambdas.configuration import answers as answer_configuration
from lambdas.configuration import credentials as credential_configuration
from lambdas.configuration import extensions as extension_configuration
from lambdas.configuration import sqlserver as sqlserver_configuration
from lambdas.entrances.api import description as api_description
from localcloud.sqlserver import page as sqlserver_page
from statemachine import definition

DOCS = Path(__file__).resolve().parent
DRAFT = "https://json-schema.org/draft/2020-12/schema"

# What others write and we read may leave out what has a default; what we write has every key.
READ: tuple[type[Document], ...] = (
    request.RestoreRequest,
    worker_configuration.WorkerConfigurations,
    doctor_findings.ExaminationQuestion,
    cancellation.CancelQuestion,
    worker_configuration.WorkerConfigurationQuestion,
    extension_configuration.ExtensionConfiguration,
    credential_configuration.CredentialConfiguration,
    sqlserver_configuration.SqlServerConfiguration,
    access_configuration.AccessConfiguration,
    answer_configuration.AnswerConfiguration,
    adoption_rules.AdoptionConfiguration,
    reading_places.InPlaceConfiguration,
    adoption_answers.AdoptionQuestion,
    drills.DrillConfiguration,
    drills.DrillStart,
    additions.AdditionStart,
    swap_orders.SwapStart,
    drills.DrillListQuestion,
)
WRITTEN: tuple[type[Document], ...] = (
    contract.Plan,
    anchor.Anchor,
    sections.ArchiveSection,
    sections.WorkerSection,
    sections.SecurityGroupsSection,
    sections.CopiedSection,
    sections.AddedSection,
    sections.StagingSection,
    sections.RestoredSection,
    sections.VerifiedSection,
    sections.SwappedSection,
    sections.ReportSection,
    doctor_findings.Examination,
    cancellation.CancelAnswer,
    drills.DrillListAnswer,
    adoption_answers.AdoptionAnswer,
    adoption_answers.NotAdoptedEvent,
    worker_configuration.WorkerConfigurationAnswer,
    record.Report,
    record.RestoreEvent,
    evidence_document.Evidence,
    job.Job,
    job.Beginning,
    job.Progress,
    job.Result,
    Manifest,
    unfinished.Unfinished,
    reading_note.ReadingNote,
    Sheet,
)


def generated() -> dict[Path, str]:
    """Every generated file and its text."""
    files = {
        DOCS / "functions.md": functions_page(),
        DOCS / "commands.md": reference.page(),
        DOCS / "errors.md": error_reference.page(),
        DOCS / "native-errors.md": native_messages.page(),
        DOCS / "simulated-sqlserver.md": sqlserver_page.page(),
        definition.FILE: definition.text(),
        DOCS / "contract" / "openapi.json": api_description.text(),
    }
    for model in (*READ, *WRITTEN):
        files[DOCS / "contract" / f"{_kebab(model.__name__)}.schema.json"] = schema(model)
    return files


def schema(model: type[Document]) -> str:
    """The JSON Schema of one document, as it crosses the border."""
    mode: Literal["validation", "serialization"] = "validation" if model in READ else "serialization"
    text = {"$schema": DRAFT, **model.model_json_schema(mode=mode)}
    return json.dumps(text, indent=2, ensure_ascii=False) + "\n"


def functions_page() -> str:
    """State, handler, limits and permissions of every function."""
    lines = [
        "# The functions and their permissions",
        "",
        "Generated from `infrastructure/functions.py` by `make docs`. Every function also keeps the ledger (one DynamoDB table) and",
        "writes its own log; those that the state machine calls may put events of source `dbrestore.restore` on the default bus. In the",
        "target account a function acts as the role `dbrestore-target-<Region>`, narrowed to the actions listed here. Names in braces are",
        "filled in by the stack.",
        "",
        "| state | handler | time-out | memory |",
        "|---|---|---|---|",
        *(f"| [{row.state}](#{row.state.lower()}) | `{row.handler}` | {row.timeout} s | {row.memory} MB |" for row in FUNCTIONS),
    ]
    for row in FUNCTIONS:
        lines += _section(row)
    return "\n".join(lines) + "\n"


def _section(row: Function) -> list[str]:
    lines = ["", f"## {row.state}"]
    for where, statements in (("Control account", row.control), ("Target account", row.target)):
        if statements:
            lines += ["", f"{where}:", "", *dict.fromkeys(_item(statement) for statement in statements)]
    return lines if len(lines) > 2 else [*lines, "", "Nothing besides the ledger."]


def _item(statement: Statement) -> str:
    text = f"- {_codes(statement.actions)} on {_codes(statement.resources)}"
    tests = [
        f"`{key}` {operator} {_codes(_values(value))}" for operator, keys in statement.conditions.items() for key, value in keys.items()
    ]
    return text + (", if " + " and ".join(tests) if tests else "")


def _values(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _codes(texts: tuple[str, ...]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    # Bytes, because another end of line is another file too.
    files = {path: text.encode() for path, text in generated().items()}
    stale = [path for path, content in files.items() if not path.exists() or path.read_bytes() != content]
    if "--check" in arguments:
        for path in stale:
            name = path.relative_to(DOCS.parent)
            print(
                f"{name} isn't what its source makes: change the source, not this file, and run `make docs`",
                file=sys.stderr,
            )
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(files[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
