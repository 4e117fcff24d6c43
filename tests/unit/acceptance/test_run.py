"""A short run of the acceptance program against a local cloud in which dbrestore is deployed already: deployed beside it, tried without a
restore, removed. The whole one is in tests/faults."""

from dataclasses import dataclass

import pytest

from acceptance.sheet import Sheet
from acceptance.trials import networks, permissions
from localcloud.stacks import application
from tests.unit.acceptance import clouds

# The second one looks at what restores before it reported, and there was none: it must fail.
TRIALS = (permissions.GROUP_LIST, networks.ENDPOINTS_ONLY)

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Ended:
    """A run after its end, and what was there before it, with what is there now."""

    code: int
    sheet: Sheet
    page: str
    before: set[tuple[str, str]]
    now: set[tuple[str, str]]
    account: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("results")
    with clouds.empty() as cloud:
        application.deploy(cloud)
        before = clouds.inventory(cloud)
        code, sheet = clouds.run(cloud, folder, trials=TRIALS)
        return Ended(code, sheet, next(folder.glob("*/sheet.md")).read_text(), before, clouds.inventory(cloud), cloud.account)


def test_a_trial_that_fails_is_on_the_sheet_and_in_the_exit_code(ended: Ended) -> None:
    failed = clouds.named(ended.sheet, "endpoints-only")

    assert (failed.outcome, failed.told) == ("did not hold", "no restore of this run had a worker that came up")
    assert ended.code == 1
    assert not ended.sheet.holds
    assert f"| [endpoints-only](#endpoints-only) | did not hold | {failed.told} |" in ended.page.splitlines()


def test_what_says_nothing_of_aws_is_marked(ended: Ended) -> None:
    assert ended.sheet.place == "elsewhere"
    assert clouds.outcomes(ended.sheet)["group-list"] == "only on AWS"


def test_everything_that_was_made_is_removed_and_the_other_installation_stays(ended: Ended) -> None:
    assert ("Stacks", "DbrestoreControl") in ended.before
    assert ended.now == ended.before
    assert ended.sheet.removal.left == ()
    assert ended.sheet.removal.made > 8
    assert ended.sheet.failure is None


def test_calls_are_told_with_their_request_ids_and_no_account(ended: Ended) -> None:
    calls = clouds.named(ended.sheet, "group-list").calls

    refused = [call for call in calls if call.error]
    assert [(call.operation, call.error) for call in refused] == [("ModifyDBInstance", "AccessDenied")]
    # The local cloud's own refusals bear none.
    assert [call.operation for call in calls if not (call.request_id or call.error)] == []
    assert ended.account not in ended.page + ended.sheet.to_json()
