"""A short run of the acceptance program against the local cloud: deployed, tried, removed. The whole one is in tests/faults."""

from dataclasses import dataclass

import pytest

from acceptance.sheet import Sheet
from acceptance.trials import permissions, restoring
from tests.unit.acceptance import clouds

# The second restore meets the database of the first, so it must fail.
TRIALS = (permissions.GROUP_LIST, restoring.POSTGRESQL, restoring.POSTGRESQL)

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Ended:
    """A run after its end, and what is there that was not there before."""

    code: int
    sheet: Sheet
    page: str
    new: set[tuple[str, str]]
    account: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("results")
    with clouds.empty() as cloud:
        before = clouds.inventory(cloud)
        code, sheet = clouds.run(cloud, folder, trials=TRIALS)
        new = clouds.inventory(cloud) - before
        return Ended(code, sheet, next(folder.glob("*/sheet.md")).read_text(), new, cloud.account)


def test_a_trial_that_fails_is_on_the_sheet_and_in_the_exit_code(ended: Ended) -> None:
    first, second = (trial for trial in ended.sheet.trials if trial.name == "restore-postgresql")

    assert (first.outcome, second.outcome) == ("held", "did not hold")
    assert "DatabaseExists" in second.told
    assert ended.code == 1
    assert not ended.sheet.holds
    assert f"| [restore-postgresql](#restore-postgresql) | did not hold | {second.told} |" in ended.page.splitlines()


def test_what_says_nothing_of_aws_is_marked(ended: Ended) -> None:
    assert ended.sheet.place == "elsewhere"
    assert clouds.outcomes(ended.sheet)["group-list"] == "only on AWS"


def test_everything_that_was_made_is_removed(ended: Ended) -> None:
    assert ended.new == set()
    assert ended.sheet.removal.left == ()
    assert ended.sheet.removal.made > 8
    assert ended.sheet.failure is None


def test_calls_are_told_with_their_request_ids_and_no_account(ended: Ended) -> None:
    calls = clouds.named(ended.sheet, "group-list").calls

    refused = [call for call in calls if call.error]
    assert [(call.operation, call.error) for call in refused] == [("ModifyDBInstance", "AccessDenied")]
    assert all(call.request_id for call in calls)
    assert ended.account not in ended.page + ended.sheet.to_json()
