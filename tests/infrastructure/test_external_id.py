"""The external id that is made once, and kept."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infrastructure import external_id


def test_it_is_random_and_stays(tmp_path: Path) -> None:
    first = external_id.chosen(tmp_path, {})

    assert len(first) == 32
    assert external_id.chosen(tmp_path, {}) == first
    assert external_id.chosen(tmp_path / "..", {"externalId": "given"}) == "given"
    (tmp_path / external_id.REMEMBERED).unlink()
    assert external_id.chosen(tmp_path, {}) != first


def test_what_else_is_remembered_stays(tmp_path: Path) -> None:
    path = tmp_path / external_id.REMEMBERED
    path.write_text('{"availability-zones": ["a"]}')

    made = external_id.chosen(tmp_path, {})

    assert json.loads(path.read_text()) == {"availability-zones": ["a"], "externalId": made}


def test_the_commands_context_wins_and_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"externalId": "of-the-command"}')

    assert external_id.chosen(tmp_path, {}) == "of-the-command"
    assert not list(tmp_path.iterdir())


def test_many_at_once_choose_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        chosen = set(pool.map(lambda _: external_id.chosen(tmp_path, {}), range(64)))

    assert len(chosen) == 1
    assert [path.name for path in tmp_path.iterdir()] == [external_id.REMEMBERED]
