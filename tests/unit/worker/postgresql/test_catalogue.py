"""What the catalogue holds is found by the key that the dump has for it."""

from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.catalogue import CatalogueObject, Objects

TABLE = Key("TABLE", "s", ("t",))
CONSTRAINTS = [Key("CHECK CONSTRAINT", "s", ("t", name)) for name in ("proven", "unproven", "off")]


def test_an_object_comes_back_as_it_was_added_and_others_do_not() -> None:
    found, largest = Objects(), CatalogueObject(2606, (1 << 32) - 1, "valid")
    found.add(TABLE, CatalogueObject(1259, 16384, ""))
    found.add(CONSTRAINTS[0], largest)

    assert found.get(TABLE) == [CatalogueObject(1259, 16384, "")]
    assert found.get(CONSTRAINTS[0]) == [largest]
    for other in (TABLE._replace(kind="VIEW"), TABLE._replace(schema_name=None), TABLE._replace(names=("t", "t"))):
        assert (other in found, found.get(other)) == (False, [])
    assert TABLE in found


def test_all_that_have_the_same_key_are_found() -> None:
    """As procedures do whose arguments differ in their modes alone."""
    found, procedures = Objects(), [CatalogueObject(1255, oid, "") for oid in (5, 7, 6)]
    for each in procedures:
        found.add(Key("PROCEDURE", "s", ("p", "integer")), each)

    assert found.get(Key("PROCEDURE", "s", ("p", "integer"))) == procedures


def test_very_many_objects_are_found_and_nothing_else_is() -> None:
    found, names = Objects(), [(f"t{number}",) for number in range(20_000)]
    for number, name in enumerate(names):
        found.add(Key("TABLE", "s", name), CatalogueObject(1259, number, ""))

    assert [found.get(Key("TABLE", "s", name)) for name in names] == [[CatalogueObject(1259, number, "")] for number in range(20_000)]
    assert not any(Key("INDEX", "s", name) in found for name in names)


def test_constraints_that_are_not_proven_are_known_by_their_state() -> None:
    found = Objects()
    for number, (key, state) in enumerate(zip(CONSTRAINTS, ("valid", "not valid", "not enforced"), strict=True)):
        found.add(key, CatalogueObject(2606, number, state))

    assert (found.unproven("not valid"), found.unproven("not enforced")) == ({CONSTRAINTS[1]}, {CONSTRAINTS[2]})
