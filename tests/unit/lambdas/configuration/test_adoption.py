"""The file that says which backups become restore points as they arrive: what it may say, and everything that is wrong with it at once."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dbrestore.contract.adoption.rules import MOST_RULES, AdoptionConfiguration
from dbrestore.contract.allowed.reading_places import ReadingPlace
from dbrestore.contract.errors import AdoptionConfigurationInvalid
from docs import generate
from lambdas.configuration.adoption import DEPLOYED, deployed, read, require_places

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "adoption.json"
SCHEMA: dict[str, Any] = json.loads(generate.schema(AdoptionConfiguration))


def rule(**more: Any) -> dict[str, Any]:
    return {"name": "a", "bucket": "backups", "pattern": "pg/{database}.dump", "instance": "orders", "engine": "postgres", **more}


def written(folder: Path, *rules: Any) -> Path:
    path = folder / "adoption.json"
    path.write_text(json.dumps({"rules": rules}))
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(AdoptionConfigurationInvalid) as told:
        read(path)
    return str(told.value).splitlines()


def test_the_shipped_file_has_no_rule_and_names_the_schema_that_editors_read() -> None:
    shipped = json.loads(DEPLOYED.read_text())

    assert deployed().rules == ()
    assert json.loads((DEPLOYED.parent / shipped["$schema"]).read_text()) == SCHEMA


def test_the_example_fits_the_schema_and_says_what_it_says() -> None:
    jsonschema.validate(json.loads(EXAMPLE.read_text()), SCHEMA)

    nightly, weekly, native = read(EXAMPLE).rules

    assert (nightly.settle_minutes, nightly.beside.db_instance, nightly.keys.prefix) == (60, "orders-prod", "orders/")
    assert (weekly.beside.account, weekly.keys.of_directories) == ("222222222222", True)
    assert (native.chain_hours, native.look_hours) == (20, 24)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "No Name"}, "/name (No Name): must be 1 to 48 lower-case letters"),
        ({"bucket": "s3://backups"}, "/bucket (a): must be the name of a bucket"),
        ({"pattern": "{when}.dump"}, "/pattern (a): has {when}, which is no placeholder"),
        ({"pattern": "{run}/{run}"}, "/pattern (a): has {run} twice"),
        ({"inPlace": 1}, "/inPlace (a): must be true or false"),
        ({"inPlace": True, "requesterPays": True}, "/inPlace (a): would have each restore pay for its reading"),
        ({"engine": "mysql"}, "/engine (a): must be postgres or sqlserver"),
        ({"engine": "sqlserver"}, "/pattern (a): has {database}, but native backups say themselves"),
        ({"engine": "sqlserver", "pattern": "x/"}, "/pattern (a): means directories, and a native backup is a file"),
        ({"chainHours": 3}, "/chainHours (a): is for native backups"),
        ({"settleMinutes": 0}, "/settleMinutes (a): must be minutes from 1 to 1440"),
        ({"withinDays": 400}, "/withinDays (a): must be days from 1 to 365"),
        ({"kmsKey": "alias/mine"}, "/kmsKey (a): must be the ARN of a KMS key"),
        ({"near": {"dbInstance": "b", "credentials": {"iamUser": "x"}}}, "/near/credentials (a): aren't needed"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_to_write(tmp_path: Path, values: dict[str, Any], told: str) -> None:
    assert any(line.startswith(f"adoption.json#/rules/0{told}") for line in refused(written(tmp_path, rule(**values))))


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, rule(bucket="X"), rule(name="a", pattern="other/*"), "no rule", rule(name="b", engine="x"))

    lines = refused(path)

    assert [line.partition(":")[0] for line in lines if "rules/1/name" in line] == ["adoption.json#/rules/1/name (a)"]
    assert {line.split("/")[2].partition(":")[0] for line in lines} == {"0", "1", "2", "3"}


def test_two_rules_that_can_mean_one_object_are_refused_with_such_a_key(tmp_path: Path) -> None:
    [line] = refused(written(tmp_path, rule(), rule(name="b", pattern="**.dump")))

    assert line.startswith("adoption.json#/rules/1/pattern (b): means objects that rules/0 means too, 'pg/x.dump' for one")
    assert len(read(written(tmp_path, rule(), rule(name="b", pattern="**.dump", bucket="others"))).rules) == 2


def test_there_is_a_most_of_rules(tmp_path: Path) -> None:
    many = [rule(name=f"r{n}", bucket=f"backups-{n}") for n in range(MOST_RULES + 1)]

    assert len(read(written(tmp_path, *many[:-1])).rules) == MOST_RULES
    assert refused(written(tmp_path, *many))


KEY = "arn:aws:kms:eu-central-1:111111111111:key/11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, {"prefix": "pg/"}),
        ({}, {"prefix": ""}),
        ({"kmsKey": KEY}, {"prefix": "pg", "kmsKey": KEY}),
    ],
)
def test_a_rule_in_place_whose_keys_are_declared_can_be_deployed(tmp_path: Path, more: dict[str, Any], place: dict[str, Any]) -> None:
    rules = read(written(tmp_path, rule(inPlace=True, **more))).rules

    require_places(rules, [ReadingPlace.model_validate({"bucket": "backups", **place})])


@pytest.mark.parametrize(
    ("more", "place", "told"),
    [
        ({}, {"bucket": "others"}, "restores may not read all of s3://backups/pg/*: name bucket and prefix in in_place.json"),
        ({}, {"prefix": "pg/of-somebody/"}, "restores may not read all of s3://backups/pg/*"),
        ({}, {"copyOnly": True}, "without copyOnly"),
        ({"kmsKey": KEY}, {}, f"restores may not use {KEY}"),
    ],
)
def test_a_rule_in_place_that_no_restore_could_read_is_refused(
    tmp_path: Path, more: dict[str, Any], place: dict[str, Any], told: str
) -> None:
    rules = read(written(tmp_path, rule(name="copied", bucket="elsewhere"), rule(inPlace=True, **more))).rules

    with pytest.raises(AdoptionConfigurationInvalid) as refusal:
        require_places(rules, [ReadingPlace.model_validate({"bucket": "backups", **place})])

    assert str(refusal.value).startswith("adoption.json#/rules/1/inPlace (a): ")
    assert told in str(refusal.value)
