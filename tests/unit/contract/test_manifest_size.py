"""A manifest of tens of thousands of tables fits into a worker's memory."""

import json
import tracemalloc

from pydantic import TypeAdapter

from dbrestore.contract.manifest import TableMember

MEMBERS = 2_000


def test_a_table_takes_less_than_a_kilobyte_of_memory() -> None:
    text = json.dumps([member(number) for number in range(MEMBERS)]).encode()
    reader = TypeAdapter(list[TableMember])
    reader.validate_json(text, extra="ignore")

    tracemalloc.start()
    found = reader.validate_json(text, extra="ignore")
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found[7].stored.sha256 == f"{7:064x}"
    assert used / MEMBERS < 1000


def member(number: int) -> dict[str, object]:
    """As it stands in a manifest, with a key of a newer version."""
    return {
        "dumpId": 1000 + number,
        "schemaName": "public",
        "table": f"small_{number:05}",
        "stored": {"file": 0, "offset": 1000 * number, "length": 500, "sha256": f"{number:064x}"},
        "uncompressedLength": 440 + number,
        "rows": 10,
        "content": {"seed": 169234574127855, "total": f"{number:032x}", "columns": None},
        "extension": None,
        "later": 1,
    }
