"""The benchmark of the longest restore, on a small one: its virtual time makes as many looks as real time would."""

import pytest

from benchmarks import orchestration
from benchmarks.archived_chains import Chains
from benchmarks.metering import largest_state
from lambdas.runtime.looks import PAUSES

DAYS = 2.5


@pytest.mark.slow
def test_two_days_of_archive_and_two_and_a_half_of_work_are_looked_at_as_often_as_in_real_time() -> None:
    job_seconds = DAYS * orchestration.DAY

    measured = orchestration.measure(Chains(databases=2, sets=3, stripes=2), job_seconds)

    phases = {state: (seconds, attempts) for state, seconds, attempts in measured.phases}
    waited, looks = phases["RetrieveArchive"]
    # A slow look every half hour, and those that an arrival wakes.
    assert orchestration.LAST_FILE <= waited < orchestration.LAST_FILE + 600
    assert 96 <= looks <= 110
    worked, looks = phases["RestoreNativeBackups"]
    assert job_seconds <= worked < job_seconds + 1200
    assert looks == pytest.approx(PAUSES["RestoreNativeBackups"].looks(job_seconds) + 1, abs=2)
    assert len(measured.history) < 5000
    assert largest_state(measured.history)[0] < 32 * 1024
    assert 0.01 < sum(orchestration.dollars(measured).values()) < 0.05
