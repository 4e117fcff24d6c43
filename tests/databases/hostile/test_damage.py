"""What is damaged in the repository after the restore point was made is noticed before anything is committed."""

import json
from typing import Any

import pytest

from dbrestore.contract.job import JobKind
from dbrestore.contract.manifest import ByteRange
from tests.databases.restore_case import Cloud, Damage, Restore


def flip_a_bit(data: bytearray, member: ByteRange) -> bytearray:
    """One bit in the middle of the member."""
    data[member.offset + member.length // 2] ^= 1
    return data


def change_a_digit(data: bytearray, member: ByteRange) -> bytearray:
    """A row that COPY would take."""
    data[data.index(b"7\t7\n", member.offset)] ^= 1
    return data


def cut_the_object(data: bytearray, member: ByteRange) -> bytearray:
    """The object ends within the member."""
    return data[: member.offset + member.length // 2]


def replace_the_member_by_zeros(data: bytearray, member: ByteRange) -> bytearray:
    """As a lost block of a disk reads."""
    data[member.offset + 20 : member.offset + member.length] = bytes(member.length - 20)
    return data


DAMAGES = (flip_a_bit, cut_the_object, replace_the_member_by_zeros)
FORMATS = (("-Fc", "-Z", "zstd"), ("-Fc", "-Z", "none"), ("-Fd", "-Z", "zstd"), ("-Fd", "-Z", "gzip"))


def damaged_members() -> list[Any]:
    """Each damage and each format; in the campaign each with each."""
    return [
        pytest.param(options, damage, id=f"{' '.join(options)}-{damage.__name__}", marks=pytest.mark.slow if n and m else ())
        for n, options in enumerate(FORMATS)
        for m, damage in enumerate(DAMAGES)
    ]


@pytest.mark.parametrize(("options", "damage"), damaged_members())
def test_a_damaged_member_is_never_committed(cloud: Cloud, small: str, options: tuple[str, ...], damage: Damage) -> None:
    restore = Restore(cloud, {small: cloud.dump(small, *options)}, {small: "damaged"})
    restore.add_point()
    restore.damage(small, damage)

    (replayed,) = restore.run("replay").databases
    rows = cloud.execute("SELECT count(*) FROM lines", restore.databases()[0].temporary_name, superuser=True)
    restore.run("discard")

    assert replayed.error is not None
    assert (replayed.status, replayed.error.name) == ("FAILED", "BackupDamaged")
    # Where the object is cut, what lay behind may be missed first.
    assert "public.lines" in replayed.error.message or (damage is cut_the_object and "large objects" in replayed.error.message)
    assert rows == [(0,)]
    assert "damaged" not in cloud.names()[0]


def test_damage_names_its_table_once(cloud: Cloud, small: str) -> None:
    restore = Restore(cloud, {small: cloud.dump(small, "-Fc", "-Z", "none")}, {small: "damaged"})
    restore.add_point()
    restore.damage(small, change_a_digit)

    (replayed,) = restore.run("replay").databases
    restore.run("discard")

    assert replayed.error is not None
    assert replayed.error.message.startswith("table public.lines of small was not loaded: the SHA-256 of the stored bytes")


@pytest.mark.parametrize("damage", [flip_a_bit, replace_the_member_by_zeros])
def test_a_damaged_table_of_contents_is_refused(cloud: Cloud, small: str, damage: Damage) -> None:
    """By its digest, whatever it seems to say."""
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "damaged"})
    restore.add_point()
    restore.damage(small, damage, of=lambda backup: backup.toc)

    (replayed,) = restore.run("replay").databases

    assert replayed.error is not None
    assert replayed.error.name == "BackupDamaged"
    assert replayed.error.message.startswith("the table of contents of small: the SHA-256 of the stored bytes is ")


@pytest.mark.parametrize("with_its_count", [False, True])
@pytest.mark.parametrize("kind", ["replay", "verify"])
def test_a_manifest_that_lost_a_table_restores_nothing(cloud: Cloud, small: str, with_its_count: bool, kind: JobKind) -> None:
    """It was green, the table empty: nothing else says that the archive has rows for it."""
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "incomplete"})
    restore.add_point()
    if kind == "verify":
        restore.run("replay")

    def lose(text: str) -> str:
        manifest = json.loads(text)
        manifest["databases"][0]["tables"].pop()
        if with_its_count:
            manifest["databases"][0]["objectCounts"]["TABLE DATA"] -= 1
        return json.dumps(manifest)

    restore.change_manifest(lose)
    result = restore.run(kind)
    restore.run("discard")

    error = next(one.error for one in result.databases) if with_its_count else result.error
    assert error is not None
    assert error.name == "BackupDamaged"
    assert ("of object_counts" if with_its_count else "lists the rows of 1 tables, and the dump has those of 2") in error.message
    assert "incomplete" not in cloud.names()[0]
