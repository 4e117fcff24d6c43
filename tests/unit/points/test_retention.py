"""Which points a policy keeps, held against what restic's documentation says and against a second, slow reading of the rules."""

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import pytest

from dbrestore.contract.manifest import Manifest
from dbrestore.points import retention
from dbrestore.points.retention import UNLIMITED, AgedPoint, Policy
from tests.statemachine.sources import dump_backup

SUNDAYS = [datetime(2019, 9, 1, 11) + timedelta(weeks=week) for week in range(12)]


def point(taken_at: datetime, number: int = 0, databases: tuple[str, ...] = ("shop",), instance: str = "prod") -> AgedPoint:
    return AgedPoint(instance, f"{taken_at:%Y%m%dT%H%M%SZ}-{number:08}", databases, taken_at)


def kept(policy: Policy, times: Iterable[datetime]) -> dict[datetime, tuple[str, ...]]:
    judged = retention.judged(policy, [point(at, number) for number, at in enumerate(times)])
    return {one.point.taken_at: one.reasons for one in judged if one.reasons}


def test_of_one_backup_each_sunday_four_days_are_the_last_four_sundays() -> None:
    assert kept(Policy(daily=4), SUNDAYS) == dict.fromkeys(SUNDAYS[-4:], ("daily",))


def test_of_daily_backups_of_a_hundred_years_the_documented_number_stays() -> None:
    last = datetime(2026, 11, 29, 12)
    times = [last - timedelta(days=day) for day in range(36525)]

    found = kept(Policy(daily=7, weekly=5, monthly=12, yearly=75), times)

    with_reason = {reason: sum(reason in reasons for reasons in found.values()) for reason in ("daily", "weekly", "monthly", "yearly")}
    assert with_reason == {"daily": 7, "weekly": 5, "monthly": 12, "yearly": 75}
    # "7 daily snapshots and 4 last-day-of-the-week ones", 12 or 11 of months, 75 or 74 of years.
    assert sum(reasons and {"daily", "weekly"} & set(reasons) != set() for reasons in found.values()) == 11


def test_where_there_are_too_few_the_oldest_is_kept_and_called_so() -> None:
    times = [datetime(2026, 11, 29, hour) for hour in (8, 12, 16)]

    assert kept(Policy(daily=2), times) == {times[2]: ("daily",), times[0]: ("oldest daily",)}
    assert kept(Policy(daily=1), times) == {times[2]: ("daily",)}
    assert kept(Policy(daily=UNLIMITED), times) == {times[2]: ("daily",), times[0]: ("oldest daily",)}


def test_weeks_are_those_of_iso_8601_which_begin_on_monday_and_cross_the_year() -> None:
    sunday, monday, new_year = datetime(2026, 12, 27, 23), datetime(2026, 12, 28), datetime(2027, 1, 3, 23)

    assert kept(Policy(weekly=2), [sunday, monday, new_year]).keys() == {new_year, sunday}


def test_options_add_up_and_each_reason_is_told() -> None:
    assert kept(Policy(last=1, daily=2, yearly=1), SUNDAYS) == {
        SUNDAYS[-1]: ("last", "daily", "yearly"),
        SUNDAYS[-2]: ("daily",),
    }


def test_points_of_one_second_are_apart_by_their_ids() -> None:
    assert len(kept(Policy(last=1), [SUNDAYS[0]] * 3)) == 1
    judged = retention.judged(Policy(last=2), [point(SUNDAYS[0], number) for number in (1, 3, 2)])
    assert [(one.point.point_id[-1], bool(one.reasons)) for one in judged] == [("3", True), ("2", True), ("1", False)]


def test_a_policy_that_keeps_nothing_is_empty_and_nothing_else_is() -> None:
    assert Policy().is_empty
    assert not Policy(yearly=1).is_empty
    assert not Policy(last=UNLIMITED).is_empty


KEYS: dict[str, Callable[[datetime], str]] = {
    "hourly": lambda at: f"{at:%Y%m%d%H}",
    "daily": lambda at: f"{at:%Y%m%d}",
    "weekly": lambda at: f"{at:%G%V}",
    "monthly": lambda at: f"{at:%Y%m}",
    "yearly": lambda at: f"{at:%Y}",
}


def slowly(policy: Policy, times: list[datetime]) -> set[datetime]:
    """The same in other words: the newest of each of the first so many periods, and the oldest of all where there were fewer."""
    found = set(sorted(times)[-policy.last :]) if policy.last > 0 else set()
    for name, key in KEYS.items():
        wanted, newest = getattr(policy, name), {key(at): at for at in sorted(times)}
        periods = sorted(newest.values(), reverse=True)
        found |= set(periods[:wanted])
        if wanted > len(periods):
            found.add(min(times))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_drawn_times_are_kept_as_a_second_reading_of_the_rules_says(seed: int) -> None:
    draw = random.Random(seed)
    span = draw.choice([3, 40, 800])
    times = list({datetime(2024, 2, 27) + timedelta(seconds=draw.randrange(86400 * span)) for _ in range(draw.randrange(1, 60))})
    policy = Policy(*(draw.choice([0, 0, 1, 2, 5, 40]) for _ in range(6)))

    assert kept(policy, times).keys() == slowly(policy, times), policy


def test_points_of_other_databases_do_not_push_each_other_out_unless_asked_to() -> None:
    shop, crm = point(SUNDAYS[0]), point(SUNDAYS[1], databases=("crm",))
    other = point(SUNDAYS[2], instance="test")

    assert retention.grouped([shop, crm, other]) == ((crm,), (shop,), (other,))
    assert retention.grouped([shop, crm, other], "instance") == ((shop, crm), (other,))


def test_a_points_time_is_when_its_oldest_backup_was_taken_and_not_when_it_was_added() -> None:
    backups = [dump_backup("prod", "p", name, {"dumped_at": at}) for name, at in (("b", SUNDAYS[3]), ("a", SUNDAYS[1]))]
    manifest = Manifest(
        point_id="p", instance="prod", engine="postgres", engine_version="16.4", created_at=SUNDAYS[9], databases=tuple(backups)
    )

    found = retention.of(manifest)

    assert (found.taken_at, found.databases, found.bytes) == (SUNDAYS[1], ("a", "b"), 20)
