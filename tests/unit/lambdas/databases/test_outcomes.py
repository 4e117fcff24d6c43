"""What two jobs together say of a database."""

from dbrestore.contract.sections import DatabaseOutcome
from lambdas.databases.outcomes import together


def outcome(name: str, status: str, seconds: float) -> DatabaseOutcome:
    return DatabaseOutcome(name=name, asked_name=name, status=status, rows=0, bytes=0, seconds=seconds)


def test_a_database_is_as_the_last_job_left_it_and_took_the_time_of_both() -> None:
    restored = (outcome("a", "FAILED", 1), outcome("b", "RESTORED", 2))
    verified = (outcome("b", "PROMOTED", 0.5),)

    assert together(restored, verified) == (outcome("a", "FAILED", 1), outcome("b", "PROMOTED", 2.5))
