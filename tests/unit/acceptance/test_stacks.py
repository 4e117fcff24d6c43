"""With what the run's installation is made, whatever the checkout's own configuration is."""

from pathlib import Path

from acceptance.diary import Diary
from acceptance.made import stacks
from infrastructure import settings
from lambdas.configuration import access, drills

# Of an operator who runs the program in the checkout from which production is deployed.
PRODUCTION = {
    "prefix": "dbrestore",
    "externalId": "of-production",
    "targetAccounts": "111111111111",
    "encryptionKey": "own",
    "repositoryLockDays": 30,
    "evidenceLockDays": 365,
    "alarmAddresses": "operations@example.com",
    "restoreAddresses": "operations@example.com",
    "dashboard": True,
    "drillConfiguration": "examples/configuration/drills.json",
    "accessConfiguration": "examples/configuration/access.json",
    "apiWebAcl": "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/of-production/0123",
    "permissionsBoundary": "arn:aws:iam::123456789012:policy/bounds",
}


def test_nothing_that_outlasts_the_run_or_restores_elsewhere_is_taken_over(tmp_path: Path) -> None:
    diary = Diary.begin(tmp_path, run="a000001", account="123456789012", region="eu-central-1", prefix="trial")
    assert drills.read(settings.read(PRODUCTION.get).drill_configuration).drills

    made = settings.read({**PRODUCTION, **stacks.context(diary, tmp_path)}.get)

    assert (made.prefix, made.external_id) == ("trial", diary.external_id)
    assert (made.encryption_key, made.repository_lock_days, made.evidence_lock_days) == ("", 0, 0)
    assert (made.target_accounts, made.alarm_addresses, made.restore_addresses, made.dashboard) == ((), (), (), False)
    assert drills.read(made.drill_configuration).drills == ()
    assert (access.read(made.access_configuration).callers, access.read(made.access_configuration).hooks) == ((), ())
    assert made.api_web_acl == ""
    assert made.permissions_boundary == PRODUCTION["permissionsBoundary"]
