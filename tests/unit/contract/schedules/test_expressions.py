"""Schedule expressions: against a judge that looks at every minute by itself, and on days when clocks are changed."""

import calendar
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.contract.schedules import expressions, words

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 29, 17, tzinfo=UTC)


def starting(text: str, clock: str = "UTC", after: datetime = NOW, most: int = 3) -> list[str]:
    found = islice(expressions.starts(expressions.parse(text), expressions.zone(clock), after), most)
    return [f"{moment:%Y-%m-%dT%H:%M}" for moment in found]


# --- a judge that was told the meaning, not the text ---


@dataclass(frozen=True)
class Drawn:
    """One field's text, and the values that it means."""

    text: str
    values: frozenset[int]


def fields(lowest: int, highest: int, names: tuple[str, ...] = (), *, steps: bool = True) -> st.SearchStrategy[Drawn]:
    numbers = st.integers(lowest, highest)

    def told(value: int, named: bool) -> str:
        return names[value - lowest] if named and names else str(value)

    one = st.builds(lambda n, named: Drawn(told(n, named), frozenset({n})), numbers, st.booleans())
    reach = st.builds(
        lambda a, b, named: Drawn(f"{told(min(a, b), named)}-{told(max(a, b), named)}", frozenset(range(min(a, b), max(a, b) + 1))),
        numbers,
        numbers,
        st.booleans(),
    )
    every = st.just(Drawn("*", frozenset(range(lowest, highest + 1))))
    from_on = st.builds(
        lambda a, step: Drawn(f"{a}/{step}", frozenset(v for v in range(lowest, highest + 1) if v >= a and (v - a) % step == 0)),
        numbers,
        st.integers(1, highest),
    )
    parts = st.one_of(one, reach, every, from_on) if steps else st.one_of(one, reach, every)
    return st.lists(parts, min_size=1, max_size=3).map(
        lambda drawn: Drawn(",".join(part.text for part in drawn), frozenset().union(*(part.values for part in drawn)))
    )


MONTHS = tuple(name.upper() for name in calendar.month_abbr[1:])
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@settings(max_examples=60, deadline=None)
@given(
    fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12, MONTHS), fields(1, 7, DAYS, steps=False), st.booleans(), st.integers(0, 700)
)
def test_each_minute_is_started_at_exactly_if_all_fields_have_it(
    minute: Drawn, hour: Drawn, day: Drawn, month: Drawn, weekday: Drawn, by_weekday: bool, offset: int
) -> None:
    days = f"? {month.text} {weekday.text}" if by_weekday else f"{day.text} {month.text} ?"
    text = f"cron({minute.text} {hour.text} {days} *)"
    began = NOW + timedelta(days=offset)

    def fits(at: datetime) -> bool:
        # %w counts from Sunday, as cron() does, but from 0.
        is_day = int(at.strftime("%w")) + 1 in weekday.values if by_weekday else at.day in day.values
        return at.minute in minute.values and at.hour in hour.values and at.month in month.values and is_day

    minutes = [began + timedelta(minutes=n) for n in range(1, 3 * 24 * 60)]
    found = expressions.starts(expressions.parse(text), expressions.zone("UTC"), began)

    assert [at for at in minutes if fits(at)] == [at for at in islice(found, len(minutes)) if at <= minutes[-1]]


@pytest.mark.parametrize("number", [1, 2, 15, 28, 29, 30, 31])
def test_the_working_day_nearest_to_a_day_stays_in_its_month(number: int) -> None:
    for month in range(1, 13):
        for year in range(2026, 2034):
            length = calendar.monthrange(year, month)[1]
            worked = [day for day in range(1, length + 1) if calendar.weekday(year, month, day) < 5]
            nearest = sorted(worked, key=lambda day: abs(day - number))[0]
            found = starting(f"cron(0 2 {number}W {month} ? {year})", after=datetime(2020, 1, 1, tzinfo=UTC))
            assert found == ([f"{year}-{month:02d}-{nearest:02d}T02:00"] if number <= length else [])


# --- examples ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 2 ? * SUN *)", ["2026-12-06T02:00", "2026-12-13T02:00", "2026-12-20T02:00"]),
        ("cron(0 2 ? * 1 *)", ["2026-12-06T02:00", "2026-12-13T02:00", "2026-12-20T02:00"]),
        ("cron(15 10 ? * 6L 2027-2028)", ["2027-01-29T10:15", "2027-02-26T10:15", "2027-03-26T10:15"]),
        ("cron(0 9 ? * 3#2 *)", ["2026-12-08T09:00", "2027-01-12T09:00", "2027-02-09T09:00"]),
        ("cron(0 9 ? * 3#5 *)", ["2026-12-29T09:00", "2027-03-30T09:00", "2027-06-29T09:00"]),
        ("cron(0 9 ? * L *)", ["2026-12-05T09:00", "2026-12-12T09:00", "2026-12-19T09:00"]),
        ("cron(0 9 L * ? *)", ["2026-11-30T09:00", "2026-12-31T09:00", "2027-01-31T09:00"]),
        ("cron(0 9 29 2 ? *)", ["2028-02-29T09:00", "2032-02-29T09:00", "2036-02-29T09:00"]),
        ("cron(0 9 1 1 ? 2030/4)", ["2030-01-01T09:00", "2034-01-01T09:00", "2038-01-01T09:00"]),
        ("rate(1 day)", ["2026-11-30T17:00", "2026-12-01T17:00", "2026-12-02T17:00"]),
        ("rate(2 hours)", ["2026-11-29T19:00", "2026-11-29T21:00", "2026-11-29T23:00"]),
        ("at(2027-01-31T02:00:00)", ["2027-01-31T02:00"]),
        ("at(2026-11-29T17:00:00)", []),
        ("cron(0 2 31 2 ? *)", []),
        ("cron(0 2 31 4,6,9,11 ? *)", []),
        ("cron(0 2 * * ? 2020-2025)", []),
    ],
)
def test_when_an_expression_starts(text: str, expected: list[str]) -> None:
    assert starting(text) == expected


def test_a_rate_counts_from_its_first_start() -> None:
    first = NOW - timedelta(hours=5)

    found = expressions.starts(expressions.parse("rate(2 hours)"), expressions.zone("UTC"), NOW, first)

    assert list(islice(found, 2)) == [NOW + timedelta(hours=1), NOW + timedelta(hours=3)]


# --- clocks that are changed: in Berlin 02:00 to 03:00 is left out on 2027-03-28 and shown twice on 2027-10-31 ---


def test_a_time_that_the_clock_leaves_out_starts_nothing() -> None:
    before = datetime(2027, 3, 26, 12, tzinfo=UTC)

    assert starting("cron(30 2 * * ? *)", "Europe/Berlin", before) == ["2027-03-27T01:30", "2027-03-29T00:30", "2027-03-30T00:30"]
    assert starting("cron(30 2 28 3 ? 2027)", "Europe/Berlin", before) == []
    assert starting("at(2027-03-28T02:30:00)", "Europe/Berlin", before) == []
    assert starting("at(2027-03-28T03:00:00)", "Europe/Berlin", before) == ["2027-03-28T01:00"]


def test_a_time_that_the_clock_shows_twice_starts_once_at_the_first() -> None:
    before = datetime(2027, 10, 30, 12, tzinfo=UTC)
    between = datetime(2027, 10, 31, 0, 45, tzinfo=UTC)

    assert starting("cron(30 2 * * ? *)", "Europe/Berlin", before) == ["2027-10-31T00:30", "2027-11-01T01:30", "2027-11-02T01:30"]
    assert starting("cron(30 2 * * ? *)", "Europe/Berlin", between, 1) == ["2027-11-01T01:30"]
    assert starting("cron(0 * 31 10 ? 2027)", "Europe/Berlin", before, 4)[1:] == [
        "2027-10-30T23:00",
        "2027-10-31T00:00",
        "2027-10-31T02:00",
    ]


def test_a_day_that_a_zone_left_out_altogether() -> None:
    # Samoa went over the date line: there was no 30 December 2011.
    assert starting("cron(0 12 30 12 ? 2011,2012)", "Pacific/Apia", datetime(2011, 12, 1, tzinfo=UTC)) == ["2012-12-29T22:00"]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"]),
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_whatever_the_zone_starts_come_in_order_and_show_their_time(clock: str, hour: int, minute: int) -> None:
    zone = ZoneInfo(clock)

    found = list(islice(expressions.starts(expressions.parse(f"cron({minute} {hour} * * ? *)"), zone, NOW), 400))

    assert found == sorted(set(found))
    assert {(at.astimezone(zone).hour, at.astimezone(zone).minute) for at in found} == {(hour, minute)}
    # At most one day a year is left out.
    assert found[-1] - found[0] <= timedelta(days=399 + 3)


def test_which_two_starts_lie_nearest_to_each_other() -> None:
    pair = expressions.nearest(expressions.parse("cron(0,30 2 1 1 ? *)"), expressions.zone("UTC"), NOW)

    assert pair == (datetime(2027, 1, 1, 2, tzinfo=UTC), datetime(2027, 1, 1, 2, 30, tzinfo=UTC))
    assert expressions.nearest(expressions.parse("at(2027-01-31T02:00:00)"), expressions.zone("UTC"), NOW) is None


# --- what is refused ---


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 2 * * *", "must be cron(0 2 ? * SUN *), rate(7 days) or at(2027-01-31T02:00:00), not '0 2 * * *'"),
        ("CRON(0 2 ? * SUN *)", "must be cron("),
        ("cron(0 2 * * *)", "has 5 fields instead of 6 (minutes hours day-of-month month day-of-week year)"),
        ("cron(0 2 * * * *)", "day-of-month and day-of-week are both set: write ? in exactly one"),
        ("cron(0 2 ? * ? *)", "day-of-month and day-of-week are both ?: write ? in exactly one"),
        ("cron(60 2 ? * SUN *)", "minutes '60' isn't possible: write values of 0-59"),
        ("cron(0 24 ? * SUN *)", "hours '24' isn't possible"),
        ("cron(0 2 0 * ? *)", "day-of-month '0' isn't possible"),
        ("cron(0 2 32W * ? *)", "day-of-month '32W' isn't possible"),
        ("cron(0 2 LW * ? *)", "L stands alone, and W behind one day"),
        ("cron(0 2 L-3 * ? *)", "L stands alone"),
        ("cron(0 2 ? 13 SUN *)", "month '13' isn't possible: write values of 1-12 or JAN-DEC"),
        ("cron(0 2 ? * sun *)", "day-of-week 'sun' isn't possible"),
        ("cron(0 2 ? * 0 *)", "day-of-week '0' isn't possible: write values of 1-7 or SUN-SAT, ranges with -, several"),
        ("cron(0 2 ? * FRI-MON *)", "day-of-week 'FRI-MON' runs backwards: write two ranges"),
        ("cron(0 2 ? * 1/2 *)", "day-of-week '1/2' isn't possible"),
        ("cron(0 2 ? * 3#6 *)", "write 6L for the last Friday of a month, 3#2 for its second Tuesday"),
        ("cron(0 2 ? * 3#1,6#3 *)", "write 6L for the last Friday"),
        ("cron(0 2 ? * SUN 1969)", "year '1969' isn't possible: write values of 1970-2199"),
        ("cron(0/0 2 ? * SUN *)", "minutes '0/0' has a step of 0: write one from 1 to 59"),
        ("cron(0/90 2 ? * SUN *)", "minutes '0/90' has a step of 90"),
        ("cron(0, 2 ? * SUN *)", "minutes '0,' isn't possible"),
        ("cron(*-5 2 ? * SUN *)", "minutes '*-5' isn't possible"),
        ("cron(٣ 2 ? * SUN *)", "minutes '٣' isn't possible"),
        ("rate(0 days)", "rate(0 days) isn't possible: write a whole number from 1"),
        ("rate(7 day)", "rate(7 day) isn't possible: write 7 days"),
        ("rate(1 hours)", "rate(1 hours) isn't possible: write 1 hour"),
        ("rate(30 seconds)", "like rate(7 days)"),
        ("rate(1.5 hours)", "write a whole number"),
        ("at(2027-02-30T02:00:00)", "at(2027-02-30T02:00:00) isn't a moment"),
        ("at(2027-01-31T02:00:00Z)", "without a zone, which timeZone names"),
    ],
)
def test_what_scheduler_would_not_take_is_refused_with_what_to_write(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        expressions.parse(text)

    assert told in str(refused.value)


def test_all_that_is_wrong_with_the_fields_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"minutes '60'.*; hours '25'.*; month '0'.*; year '9'.*; day-of-month '32'"):
        expressions.parse("cron(60 25 32 0 ? 9)")


@pytest.mark.parametrize("name", ["Europe/Bonn", "", "CEST", "+02:00", "../etc/passwd", "x" * 300])
def test_a_time_zone_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be a time zone of the tz database"):
        expressions.zone(name)


def test_without_a_tz_database_no_time_zone_is_called_wrong() -> None:
    program = "from dbrestore.contract.schedules.expressions import zone; zone('Europe/Berlin')"

    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONTZPATH": ""}, capture_output=True, text=True, check=False)

    if importlib.util.find_spec("tzdata"):
        assert done.returncode == 0
    else:
        assert "ValueError: can't be looked up: this computer has no tz database" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cron(0 2 ? * SUN *)", "Sunday at 02:00"),
        ("cron(0 2,14 * * ? *)", "every day at 02:00 and 14:00"),
        ("cron(30 2 1,15 * ? *)", "day 1 and 15 of the month at 02:30"),
        ("cron(0 2 15W * ? *)", "the working day nearest to day 15 of the month at 02:00"),
        ("cron(0 2 L * ? *)", "the last day of the month at 02:00"),
        ("cron(0 2 ? JAN,JUL 3#2 *)", "the second Tuesday of the month in January and July at 02:00"),
        ("cron(15 10 ? * 6L 2027-2028)", "the last Friday of the month of 2027 to 2028 at 10:15"),
        ("cron(0/15 8-9 ? * SAT,SUN 2027)", "Sunday and Saturday of 2027 at minute 0, 15, 30 and 45 of hour 8 and 9"),
        ("cron(* * * * ? *)", "every day every minute of every hour"),
        ("rate(7 days)", "every 7 days, from the deployment on"),
        ("rate(1 day)", "every day, from the deployment on"),
        ("at(2027-01-31T02:00:00)", "once, on 2027-01-31 at 02:00:00"),
    ],
)
def test_an_expression_in_words(text: str, told: str) -> None:
    assert words.told(expressions.parse(text)) == told
