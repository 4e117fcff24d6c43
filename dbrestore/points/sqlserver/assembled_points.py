"""Which of the backup sets given make which restore points: one point for each full backup of a database, with what belongs to it.

Of a file with several sets the newest full backup of each database counts, and what follows it; SQL Server itself would take the first,
which is the oldest. A folder is what a backup job leaves behind: log backups from before the oldest full one are no mistake there, nor are
copies of a file and the backups of system databases.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from uuid import UUID

from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.sqlserver_errors import SystemDatabaseRefused
from dbrestore.points.sqlserver import chain as native_chain
from dbrestore.points.sqlserver import sets as native_sets
from dbrestore.points.sqlserver.chain import Chain
from dbrestore.points.sqlserver.file import NativeFile
from dbrestore.points.sqlserver.sets import Complaint, Stripe, StripedSet

Round = tuple[Chain, ...]


@dataclass
class Selection:
    """`points` are the databases of each restore point, the oldest point first. `left_out` are sentences about what makes none of them,
    `complaints` about what is wrong."""

    points: list[Round] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)


def selected(files: Sequence[NativeFile], positions: Sequence[int] = (), in_folders: frozenset[str] = frozenset()) -> Selection:
    """Of all files that could be read. `positions` are the sets to be taken of each file that holds several, counted from 1; `in_folders`
    are the names of files that nobody named one by one."""
    selection = Selection()
    _require_positions(files, positions, selection)
    stripes = (stripe for file in files for stripe in _stripes(file, positions, selection))
    sets = native_sets.grouped(_once(_restorable(stripes, in_folders, selection), in_folders, selection))
    selection.complaints += native_sets.complaints(sets)
    by_database: dict[str, list[StripedSet]] = {}
    for one in sets:
        if one.backup_set.kind in native_sets.KINDS:
            by_database.setdefault(one.backup_set.database.casefold(), []).append(one)
    chains = [chain for name in sorted(by_database) for chain in _chains(by_database[name], in_folders, selection)]
    selection.complaints += [complaint for chain in chains for complaint in native_chain.complaints(chain)]
    selection.points = list(_rounds(chains))
    return selection


def _require_positions(files: Sequence[NativeFile], positions: Sequence[int], selection: Selection) -> None:
    """A position that no file has would be passed over in silence where each file holds one set."""
    most = max((len(file.sets) for file in files), default=0)
    if most == 1 and (absent := [position for position in positions if position > most]):
        asked = " and ".join(map(str, absent))
        names = ", ".join(file.name for file in files if file.sets)
        selection.complaints.append((names, RestoreRequestInvalid, f"--set {asked}: each file holds one backup set: leave it out"))


def _stripes(file: NativeFile, positions: Sequence[int], selection: Selection) -> Iterator[Stripe]:
    stripes = [Stripe(file, placed) for placed in file.sets]
    if len(stripes) == 1:
        yield from stripes
    elif positions:
        yield from _asked(file, stripes, positions, selection)
    else:
        yield from _newest(stripes, selection)


def _asked(file: NativeFile, stripes: list[Stripe], positions: Sequence[int], selection: Selection) -> Iterator[Stripe]:
    found = [stripe for stripe in stripes if stripe.placed.position in positions]
    if stripes and not found:
        asked = " and ".join(map(str, positions))
        sentence = f"holds {len(stripes)} backup sets, and --set {asked} isn't one of them: {_listed(stripes)}"
        selection.complaints.append((file.name, RestoreRequestInvalid, sentence))
    yield from found


def _newest(stripes: list[Stripe], selection: Selection) -> Iterator[Stripe]:
    """From the last full backup of each database on; all of it if there is none in the file."""
    begins = {_database(stripe): stripe.placed.position for stripe in stripes if stripe.header.backup_set.kind == "D"}
    for stripe in stripes:
        newest = begins.get(_database(stripe), 0)
        if stripe.placed.position >= newest:
            yield stripe
        else:
            selection.left_out.append(
                f"{stripe.name}: {_told(stripe)} is left out, because set {newest} is a newer full backup; "
                f"--set {stripe.placed.position} takes it"
            )


def _restorable(stripes: Iterable[Stripe], in_folders: frozenset[str], selection: Selection) -> Iterator[Stripe]:
    """All but the system databases that nobody named; what is wrong with the others becomes complaints."""
    for stripe in stripes:
        problems = stripe.placed.problems
        if stripe.file.name in in_folders and any(kind is SystemDatabaseRefused for kind, _ in problems):
            selection.left_out.append(f"{stripe.name}: {_told(stripe)} is left out: RDS restores no system database")
            continue
        selection.complaints += [(stripe.name, kind, sentence) for kind, sentence in problems]
        yield stripe


def _once(stripes: Iterable[Stripe], in_folders: frozenset[str], selection: Selection) -> Iterator[Stripe]:
    """All but copies that nobody named."""
    names: dict[tuple[UUID, UUID, int], str] = {}
    for stripe in stripes:
        header = stripe.header
        other = names.setdefault((header.media_set_id, header.backup_set.id, header.stripe), stripe.name)
        if other != stripe.name and stripe.file.name in in_folders:
            selection.left_out.append(f"{stripe.name}: is left out: it is the same backup as {other}")
        else:
            yield stripe


def _told(stripe: Stripe) -> str:
    return native_sets.grouped([stripe])[0].told


def _database(stripe: Stripe) -> str:
    return stripe.header.backup_set.database.casefold()


def _listed(stripes: Iterable[Stripe]) -> str:
    return "; ".join(f"{stripe.placed.position} is a {_told(stripe)}" for stripe in stripes)


def _chains(sets: list[StripedSet], in_folders: frozenset[str], selection: Selection) -> list[Chain]:
    """Of one database: each full backup with what belongs to it, the oldest first."""
    fulls = [one for one in sets if one.backup_set.kind == "D"]
    # Of mixed stripes each is a set of its own: that is told already.
    fulls = [one for one in fulls if one.is_whole] or fulls[:1]
    others = native_chain.in_order([one for one in sets if one.backup_set.kind != "D"])
    if not fulls:
        selection.complaints += [native_chain.without_full(one) for one in others]
        return []
    fulls.sort(key=lambda one: (one.backup_set.begun_at, one.backup_set.last_lsn))
    belonging: list[list[StripedSet]] = [[] for _ in fulls]
    for one in others:
        if _is_older(one, fulls) and all(stripe.file.name in in_folders for stripe in one.stripes):
            selection.left_out.append(f"{one.names}: {one.told} is left out: it is older than the first full backup")
            continue
        for number in _owners(one, fulls):
            belonging[number].append(one)
    return [Chain(full, tuple(found)) for full, found in zip(fulls, belonging, strict=True)]


def _is_older(one: StripedSet, fulls: list[StripedSet]) -> bool:
    """Than all full backups; the LSNs of databases of one name that are not the same can't be compared."""
    if _with_base(one, fulls):
        return False
    if same := _of_its_database(one, fulls):
        return one.backup_set.last_lsn <= min(fulls[n].backup_set.last_lsn for n in same)
    return one.backup_set.begun_at < fulls[0].backup_set.begun_at


def _of_its_database(one: StripedSet, fulls: list[StripedSet]) -> list[int]:
    return [n for n, full in enumerate(fulls) if full.backup_set.database_id == one.backup_set.database_id]


def _with_base(one: StripedSet, fulls: list[StripedSet]) -> list[int]:
    based = [number for number, full in enumerate(fulls) if native_chain.is_based_on(one, full)]
    return [number for number in based if number in _of_its_database(one, fulls)] or based


def _owners(one: StripedSet, fulls: list[StripedSet]) -> list[int]:
    """The full backups that it is restored after; one that fits none goes with the last, for its complaint."""
    if one.backup_set.kind == "I":
        return _with_base(one, fulls)[-1:] or [len(fulls) - 1]
    same = _of_its_database(one, fulls)
    fitting = [
        n
        for n, following in zip_longest(same, same[1:])
        if one.backup_set.last_lsn > fulls[n].backup_set.last_lsn
        # The log that runs past the next full backup's end still leads up to it.
        and (following is None or one.backup_set.first_lsn < fulls[following].backup_set.last_lsn)
    ]
    return fitting or same[:1] or [len(fulls) - 1]


def _rounds(chains: list[Chain]) -> Iterator[Round]:
    """A backup job writes each database once: a new round begins where one comes again."""
    current: dict[str, Chain] = {}
    for chain in sorted(chains, key=lambda chain: (chain.full.backup_set.begun_at, chain.database)):
        if chain.database.casefold() in current:
            yield _sorted(current)
            current = {}
        current[chain.database.casefold()] = chain
    if current:
        yield _sorted(current)


def _sorted(current: dict[str, Chain]) -> Round:
    return tuple(current[name] for name in sorted(current))
