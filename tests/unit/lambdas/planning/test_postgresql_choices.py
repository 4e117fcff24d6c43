"""What a request chooses for PostgreSQL databases: what is refused before anything exists, what the worker gets, what the plan says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.allowed import encodings, role_names
from dbrestore.contract.errors import ExtensionNotAllowed, RestoreRequestInvalid, TargetVersionTooOld
from dbrestore.contract.manifest import ByteRange, Extension, RowDigest, TableMember
from lambdas.planning.plan_restore import plan_restore
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.world import INSTANCE, POINT, REGION, World, create_instance, store_point
from tests.unit.lambdas.planning.test_plan_restore import ARN, plan, refused
from tests.unit.lambdas.planning.test_plan_restore import asking as asking_to_restore

OTHER = {"source": {"dbInstance": "elsewhere"}}
DIGEST = RowDigest(seed=1, total="0" * 32)


def asking(**changes: Any) -> dict[str, Any]:
    """A request for a plan: one that may be made again and again."""
    return asking_to_restore(mode="plan", **changes)


def member(name: str, content: RowDigest | None) -> TableMember:
    stored = ByteRange(offset=0, length=10, sha256="0" * 64)
    return TableMember(dump_id=1, schema_name="s", table=name, stored=stored, uncompressed_length=30, rows=3, content=content)


def store(instance: str = "elsewhere", *extensions: str, **more: Any) -> None:
    made = tuple(Extension(name=name, schema_name="public") for name in extensions)
    tables = [
        replace(each, dump_id=n, stored=replace(each.stored, offset=4 + n, length=1))
        for n, each in enumerate(more.pop("tables", (member("t", DIGEST),)), start=1)
    ]
    counts = {"TABLE": len(tables), "TABLE DATA": len(tables), **({"EXTENSION": len(made)} if made else {})}
    store_point(instance, POINT, ["orders"], **{"extensions": made, "tables": tuple(tables), "object_counts": counts, **more})


def notes(told: dict[str, Any], about: str) -> list[str]:
    return [note for note in told["notes"] if about in note]


def test_by_default_a_point_of_the_target_itself_keeps_its_owners_and_every_value_is_read_back(world: World) -> None:
    store(INSTANCE)

    told = plan()

    assert told["postgres"] == {
        "owners": {},
        "keepOwners": True,
        "createMissingRoles": False,
        "allowedExtensions": [],
        "skipMissingExtensions": False,
        "skipUnrestorable": False,
        "encoding": None,
        "locale": None,
        "verify": "content",
    }
    assert notes(told, "owned by app as before, where the target has the role")


@pytest.mark.parametrize(
    ("change", "keeps"),
    [
        ({}, True),
        ({"target": {"dbInstance": INSTANCE.upper()}, "source": {"dbInstance": INSTANCE}}, True),
        ({"target": {"dbInstance": INSTANCE, "account": "123456789012", "region": "eu-central-1"}}, True),
        (OTHER, False),
        ({"owners": {}}, False),
        ({"owners": {"app": "app"}}, False),
    ],
)
def test_the_dumps_roles_own_unasked_only_where_the_point_is_of_the_target_itself(
    world: World, change: dict[str, Any], keeps: bool
) -> None:
    store()

    assert plan(asking(**change))["postgres"]["keepOwners"] is keeps


def test_an_instance_of_the_same_name_in_another_region_is_another_one(world: World) -> None:
    store(INSTANCE)
    proxy = {"proxy": "http://proxy.example.com:3128"}
    request = asking(target={"dbInstance": INSTANCE, "region": REGION}, worker=proxy)

    told = plan_restore({"request": request, "executionArn": ARN.replace(REGION, "eu-west-1")}, None)

    assert told["postgres"]["keepOwners"] is False


def test_who_owns_and_who_does_not_is_told(world: World) -> None:
    store(owners=("app", "billing"), owner="app", roles=("app", "billing", "reader"))

    told = plan(asking(**OTHER, owners={"app": "shop_owner", "ap": "x", "reader": "y"}))

    assert told["postgres"]["owners"] == {"app": "shop_owner", "ap": "x", "reader": "y"}
    assert notes(told, "orders: owners: app as shop_owner")
    assert notes(told, "orders: what billing owned belongs to a role without login or rights")
    assert notes(told, "orders: the dump names no role ap: check the spelling in owners")
    assert notes(plan(asking(**OTHER)), "because the restore point is of another instance and owners names nobody")


def test_a_long_list_of_roles_is_told_by_its_beginning(world: World) -> None:
    store(owners=tuple(f"role{n:03}" for n in range(200)), owner="role000")

    [told] = notes(plan(asking(**OTHER)), "belongs to a role without login")

    assert "role007 and 192 more" in told
    assert len(told) < 400


@pytest.mark.parametrize(
    ("owner", "why"),
    [
        ("postgres", "is the instance's master user"),
        ("POSTGRES", "is the instance's master user"),
        ("rds_superuser", "is a role of PostgreSQL's or of RDS's own"),
        ("rdsadmin", "is a role of PostgreSQL's or of RDS's own"),
        ("pg_monitor", "is a role of PostgreSQL's or of RDS's own"),
        ("public", "belongs to the server"),
        ("dbrestore_0123456789ab_1_owner", "is a temporary role of a restore"),
        ("dbrestore_0123456789ab_12_holder", "is a temporary role of a restore"),
    ],
)
def test_a_role_with_power_may_not_own(world: World, owner: str, why: str) -> None:
    [line] = refused(asking(owners={"app": owner}), RestoreRequestInvalid)

    assert line.startswith(f"/owners/app: {owner!r} {why}, and code of the dump would run with its rights: ")


def test_the_master_user_is_refused_by_whatever_name_it_has(world: World) -> None:
    create_instance("named", world.group_list, MasterUsername="dba")
    store()

    [line] = refused(asking(target={"dbInstance": "named"}, owners={"app": "dba"}, **OTHER), RestoreRequestInvalid)

    assert line.startswith("/owners/app: 'dba' is the instance's master user")


def test_every_pair_that_cannot_be_is_told_at_once_at_an_escaped_place(world: World) -> None:
    lines = refused(
        asking(owners={"a/b~c": "rds_iam", "": "app", "x": "", "long": "ä" * 32, "nul\0": "app"}),
        RestoreRequestInvalid,
    )

    assert [line.split(": ")[0] for line in lines] == [
        "/owners/a~1b~0c",
        "/owners/",
        "/owners/x",
        "/owners/long",
        "/owners/nul\0",
    ]
    assert lines[3].endswith("the owner's name is 64 bytes long, but PostgreSQL's names have at most 63: shorten it")


def test_a_name_that_is_no_text_is_told_before_anything_is_looked_up(world: World) -> None:
    [line] = refused(asking(owners={"a/b~c": "rds_iam", "half\ud800": "app"}), RestoreRequestInvalid)

    assert line.startswith("/owners/half\\ud800: holds half a surrogate pair")


def test_the_map_of_owners_fits_into_a_plan(world: World) -> None:
    [line] = refused(asking(owners={f"r{n}": "app" for n in range(201)}), RestoreRequestInvalid)

    assert line == "/owners: has too many: 200 at most"


@pytest.mark.parametrize("owner", ["app", "rd", "pgbouncer", "postgres_app", "dbrestore", "Straße", 'a"b', "0"])
def test_any_other_role_may_own(owner: str) -> None:
    assert list(role_names.owner_flaws({"app": owner}, "dba")) == []


def test_extensions_that_are_not_allowed_are_refused_all_at_once_before_anything_exists(world: World) -> None:
    store("elsewhere", "dblink", "hstore", "aws_s3")

    [line] = refused(asking(**OTHER), ExtensionNotAllowed)

    assert line.startswith("/databases/0/name: 'orders' creates the extensions aws_s3, dblink, which this installation does not allow: ")
    assert "extensions skip-missing" in line
    assert "configuration/extensions.json" in line


@pytest.mark.parametrize("wish", [{"extensions": "skip-missing"}, {"onUnrestorable": "skip"}])
def test_extensions_that_are_not_allowed_are_left_out_on_request_and_the_plan_says_so(world: World, wish: dict[str, Any]) -> None:
    store("elsewhere", "dblink", "hstore")

    told = plan(asking(**OTHER, **wish))

    assert told["postgres"]["allowedExtensions"] == ["hstore"]
    assert notes(told, "orders: left out, with what depends on them: the extensions dblink")
    assert notes(told, "if the server does not offer them: the extensions hstore")


def test_the_deployed_list_decides(world: World, tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({"also": ["dblink"], "not": ["hstore"]}))
    world.patch.setenv("EXTENSION_CONFIGURATION", str(path))
    store("elsewhere", "dblink")

    told = plan(asking(**OTHER))

    assert told["postgres"]["allowedExtensions"] == ["dblink"]
    store("elsewhere", "hstore")
    assert "hstore" in refused(asking(**OTHER), ExtensionNotAllowed)[0]


@pytest.mark.parametrize(
    ("written", "encoding"),
    [
        ("utf-8", "UTF8"),
        ("Unicode", "UTF8"),
        ("latin1", "LATIN1"),
        ("ISO-8859-15", "LATIN9"),
        ("windows-1252", "WIN1252"),
        ("sql_ascii", "SQL_ASCII"),
        ("EUC_JIS_2004", "EUC_JIS_2004"),
        ("KOI8-R", "KOI8R"),
    ],
)
def test_an_encoding_is_taken_by_any_of_its_names(world: World, written: str, encoding: str) -> None:
    store()

    told = plan(asking(**OTHER, encoding=written))

    assert told["postgres"]["encoding"] == encoding
    assert bool(notes(told, f"the dump's encoding is UTF8, the database's will be {encoding}")) is (encoding != "UTF8")


@pytest.mark.parametrize("name", ["SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004", "shift-jis", "windows-949"])
def test_an_encoding_that_only_clients_have_is_refused(world: World, name: str) -> None:
    store()

    [line] = refused(asking(**OTHER, encoding=name), RestoreRequestInvalid)

    assert line == f"/encoding: {encodings.canonical(name)} is for clients alone, no database can have it: use UTF8"


def test_an_unknown_encoding_is_refused_with_a_near_one(world: World) -> None:
    store()

    [line] = refused(asking(**OTHER, encoding="latin11"), RestoreRequestInvalid)

    assert line == "/encoding: 'latin11' isn't an encoding of PostgreSQL: write its name, such as LATIN1"


def test_an_encoding_that_the_locale_does_not_go_with_is_refused(world: World) -> None:
    store(ctype="en_US.UTF-8", collate="en_US.UTF-8")

    [of_dump] = refused(asking(**OTHER, encoding="LATIN1"), RestoreRequestInvalid)
    [of_request] = refused(asking(**OTHER, encoding="LATIN1", locale="de_DE.ISO8859-15@euro"), RestoreRequestInvalid)
    [locale] = refused(asking(**OTHER, locale="de_DE.ISO8859-1"), RestoreRequestInvalid)

    told = "the encoding LATIN1 doesn't fit the"
    assert of_dump.startswith(f"/encoding: {told} dump's locale en_US.UTF-8, which needs UTF8")
    assert of_request.startswith(f"/encoding: {told} locale de_DE.ISO8859-15@euro, which needs LATIN9")
    assert locale.startswith("/locale: the dump's encoding UTF8 doesn't fit the locale de_DE.ISO8859-1, which needs")
    assert plan(asking(**OTHER, encoding="LATIN1", locale="C"))["postgres"]["locale"] == "C"


def test_a_dump_whose_own_encoding_and_locale_only_a_superuser_can_join_is_told(world: World) -> None:
    store(encoding="SQL_ASCII", ctype="en_US.UTF-8", collate="en_US.UTF-8")

    told = "the dump's encoding SQL_ASCII doesn't fit the dump's locale en_US.UTF-8"
    assert notes(plan(asking(**OTHER)), told)
    assert not notes(plan(asking(**OTHER, locale="C")), told)


@pytest.mark.parametrize("locale", ["a\0b", "de\nDE", "dé_DE"])
def test_what_is_no_name_of_a_locale_is_refused(world: World, locale: str) -> None:
    store()

    [line] = refused(asking(**OTHER, locale=locale), RestoreRequestInvalid)

    assert line.startswith("/locale: isn't a name of a locale")


def test_rows_of_much_data_are_counted_unless_more_is_asked_for(world: World) -> None:
    world.bounds = replace(world.bounds, content_up_to_bytes=29)
    store()

    counted = plan(asking(**OTHER), world.surroundings())
    proven = plan(asking(**OTHER, verify="content"), world.surroundings())

    assert (counted["postgres"]["verify"], proven["postgres"]["verify"]) == ("counts", "content")
    assert notes(counted, "so rows are counted and not compared: ask for verify content")
    assert not notes(proven, "counted and not compared")


def test_what_reading_back_will_not_compare_is_told(world: World) -> None:
    partly = RowDigest(seed=1, total="0" * 32, columns=(0, 2))
    store(tables=(member("whole", DIGEST), member("old", None), member("floats", partly)))

    told = plan(asking(**OTHER))

    assert notes(told, "orders: 1 of 3 tables can't be compared value by value")
    assert notes(told, "orders: columns of s.floats are not checked")
    assert not notes(plan(asking(**OTHER, verify="counts")), "compared value by value")


def test_an_instance_older_than_postgresql_13_is_refused(world: World) -> None:
    create_instance("old", world.group_list, EngineVersion="12.19")
    store(server_version="11.2")

    [line] = refused(asking(target={"dbInstance": "old"}, **OTHER), TargetVersionTooOld)

    assert line == (
        "/target/dbInstance: old runs PostgreSQL 12.19, which is too old to restore into: restore into PostgreSQL 13 or newer, or upgrade "
        "the instance"
    )


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"owners": {}}, "/owners"),
        ({"roles": "create-missing"}, "/roles"),
        ({"extensions": "skip-missing"}, "/extensions"),
        ({"encoding": "UTF8"}, "/encoding"),
        ({"locale": "C"}, "/locale"),
        ({"verify": "counts"}, "/verify"),
        ({"onUnrestorable": "skip"}, "/onUnrestorable"),
    ],
)
def test_a_choice_that_is_for_postgresql_is_refused_for_sql_server(world: World, wish: dict[str, Any], pointer: str) -> None:
    world.use(SQLSERVER)

    [line] = refused({**SQLSERVER.request(), **wish}, RestoreRequestInvalid)

    assert line == f"{pointer}: is only for PostgreSQL, and SQL Server restores its backups itself: leave it out"
