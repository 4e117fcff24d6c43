"""The whole acceptance program against the local cloud: every trial, both engines, and what is left of a run that was broken off."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from acceptance import command
from acceptance.diary import FILE, Pages
from acceptance.sheet import Sheet
from acceptance.trials import networks, restoring
from acceptance.trials.order import TRIALS
from dbrestore.contract.exit_code import ExitCode
from localcloud.backups import sample
from localcloud.base.clients import HOME
from localcloud.ec2 import network, sharing
from tests.unit.acceptance import clouds

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(900), pytest.mark.slow]


@dataclass(frozen=True)
class Ended:
    """A run after its end, and what is there that was not there before."""

    code: int
    sheet: Sheet
    new: set[tuple[str, str]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("results")
    backups = [word for file in sample.create(tmp_path_factory.mktemp("backups")) for word in ("--sqlserver-backup", file)]
    with clouds.empty() as cloud:
        before = clouds.inventory(cloud)
        code, sheet = clouds.run(cloud, folder, *backups, trials=TRIALS)
        return Ended(code, sheet, clouds.inventory(cloud) - before)


def test_what_can_be_true_here_holds_and_the_rest_is_marked(whole: Ended) -> None:
    assert {trial.name: (trial.outcome, trial.told) for trial in whole.sheet.trials if trial.outcome == "did not hold"} == {}
    assert clouds.outcomes(whole.sheet) == {
        "definition": "only on AWS",
        "group-list": "only on AWS",
        "launch-permission": "only on AWS",
        "restore-postgresql": "held",
        "swap-postgresql": "held",
        "endpoints-only": "only on AWS",
        "first-connection": "only on AWS",
        "worker-killed": "held",
        "restore-sqlserver": "only on AWS",
        "swap-sqlserver": "only on AWS",
        # The account's key is Amazon's, and its VPC its own.
        "ebs-default-key": "not tried",
        "shared-vpc": "not tried",
        "pairing": "only on AWS",
        "stopped": "only on AWS",
        "busy-instance": "only on AWS",
    }
    assert (whole.code, whole.sheet.holds, whole.sheet.failure) == (0, True, None)


def test_the_trials_did_what_they_say(whole: Ended) -> None:
    assert clouds.named(whole.sheet, "pairing").told.startswith("3 pairs made and removed")
    assert [one.what for one in clouds.named(whole.sheet, "pairing").measurements] == [
        "median until the group list is in force",
        "longest until the group list is in force",
    ]
    assert clouds.named(whole.sheet, "stopped").told.startswith("2 of 2 executions were stopped")
    for swap in ("swap-postgresql", "swap-sqlserver"):
        assert "was exchanged in" in clouds.named(whole.sheet, swap).told
        assert "and turned back in" in clouds.named(whole.sheet, swap).told
    assert "native_restored restored and verified" in clouds.named(whole.sheet, "restore-sqlserver").told
    assert "in storage-optimization RDS takes the group list" in clouds.named(whole.sheet, "busy-instance").told


def test_everything_of_both_engines_is_removed(whole: Ended) -> None:
    assert whole.new == set()
    assert whole.sheet.removal.left == ()


def test_a_run_that_was_killed_is_removed_from_its_record(tmp_path: Path) -> None:
    with clouds.empty() as cloud:
        before = clouds.inventory(cloud)
        words = ["--yes", "--results", str(tmp_path), "--certificates", str(cloud.authority.bundle)]
        process = subprocess.Popen([sys.executable, "-m", "acceptance", *words], stdout=subprocess.DEVNULL, env=dict(os.environ))
        record = wait_for_a_restore(cloud, tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert clouds.inventory(cloud) - before

        code = command.main(["--remove", record.run, *words])

        assert code == ExitCode.DONE
        assert clouds.inventory(cloud) - before == set()
        again = Pages.from_json((tmp_path / record.run / FILE).read_text())
        assert all(thing.removed_at for thing in again.things)


def test_ctrl_c_ends_the_trials_and_begins_the_removal(tmp_path: Path) -> None:
    with clouds.empty() as cloud:
        before = clouds.inventory(cloud)
        words = ["--yes", "--results", str(tmp_path), "--certificates", str(cloud.authority.bundle)]
        process = subprocess.Popen([sys.executable, "-m", "acceptance", *words], stdout=subprocess.DEVNULL, env=dict(os.environ))
        record = wait_for_a_restore(cloud, tmp_path)
        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=300) == ExitCode.FAILED
        sheet = Sheet.from_json((tmp_path / record.run / "sheet.json").read_text())
        assert (sheet.failure, sheet.removal.left) == ("by Ctrl-C", ())
        assert clouds.inventory(cloud) - before == set()


def wait_for_a_restore(cloud: clouds.Cloud, results: Path) -> Pages:
    """The record of the run, when its first worker runs."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if any(kind == "Instances" for kind, _ in clouds.inventory(cloud)):
            [written] = results.glob(f"*/{FILE}")
            return Pages.from_json(written.read_text())
        time.sleep(0.5)
    raise TimeoutError("no worker was launched")


def test_the_helper_reaches_sql_server_and_what_it_says_is_told(tmp_path: Path) -> None:
    """The simulated server makes no databases and takes no backups: it says so, and that is on the sheet."""
    with clouds.empty() as cloud:
        before = clouds.inventory(cloud)

        code, sheet = clouds.run(cloud, tmp_path, "--sqlserver", trials=(restoring.SQLSERVER,))

        told = clouds.named(sheet, "restore-sqlserver")
        assert (code, told.outcome) == (ExitCode.FAILED, "did not hold")
        assert "CREATE DATABASE" in told.told
        assert clouds.inventory(cloud) - before == set()


def test_an_account_with_a_shared_vpc_and_a_key_of_its_own_is_tried_as_it_is(tmp_path: Path) -> None:
    with clouds.empty() as cloud:
        vpc, ec2 = network.prepare(cloud, HOME), cloud.client("ec2")
        sharing.share(cloud.account, cloud.region, vpc, "999988887777")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]][:2]
        ec2.modify_ebs_default_kms_key_id(KmsKeyId=cloud.client("kms").create_key()["KeyMetadata"]["Arn"])
        ec2.enable_ebs_encryption_by_default()
        before = clouds.inventory(cloud)
        named = [word for subnet in subnets for word in ("--subnet", subnet)]

        code, sheet = clouds.run(cloud, tmp_path, *named, trials=(restoring.POSTGRESQL, networks.SHARED_VPC, networks.OWN_KEY))

        assert clouds.outcomes(sheet) == {
            "restore-postgresql": "held",
            "shared-vpc": "only on AWS",
            "ebs-default-key": "only on AWS",
        }
        assert code == 0
        # The VPC was there before, and stays.
        assert clouds.inventory(cloud) == before
