"""The context's values: what they mean, and what is refused before anything is synthesised."""

from pathlib import Path

import pytest

from dbrestore.contract.errors import ConfigurationInvalid
from infrastructure.settings import MOST_TARGET_ACCOUNTS, OWN_KEY, Settings, read

KEY = "arn:aws:kms:eu-central-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab"
# Bytes (S3 User Guide, "Bucket policies").
LARGEST_BUCKET_POLICY = 20 * 1024


WITH_ID = {"externalId": "of-ours"}


def test_nothing_but_the_external_id_has_to_be_set() -> None:
    assert read(WITH_ID.get) == Settings((), "", "of-ours")


@pytest.mark.parametrize("wrong", [None, "", "x", "with blanks"])
def test_an_external_id_that_iam_would_not_take_is_refused(wrong: str | None) -> None:
    with pytest.raises(ValueError, match=r"externalId: .* can't be used: write 2 to 1224 letters"):
        read({"externalId": wrong}.get)


def test_accounts_are_a_list_with_commas_each_counted_once() -> None:
    asked = {"targetAccounts": " 111111111111,222222222222 ,111111111111,"}

    assert read({**WITH_ID, **asked}.get).target_accounts == ("111111111111", "222222222222")


@pytest.mark.parametrize("key", ["", OWN_KEY, KEY, KEY.replace("aws", "aws-us-gov")])
def test_a_key_is_none_our_own_or_somebodys(key: str) -> None:
    assert read({**WITH_ID, "encryptionKey": key}.get).encryption_key == key


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"targetAccounts": "111111111111,22"}, "targetAccounts: '22' isn't an account id: write 12 digits"),
        ({"targetAccounts": ",".join(str(10**11 + n) for n in range(101))}, "101 accounts are more than the 100"),
        ({"encryptionKey": "alias/backups"}, "encryptionKey: 'alias/backups' is neither empty, nor 'own', nor the ARN"),
        ({"encryptionKey": KEY.replace("key/", "alias/")}, "policies can't name a key by its alias"),
        ({"permissionsBoundary": "boundary"}, "permissionsBoundary: 'boundary' isn't the ARN of a policy"),
        ({"repositoryLockDays": "a week"}, "repositoryLockDays: 'a week' isn't a number of days from 0 (no lock) to 36500"),
        ({"repositoryLockDays": 36501}, "repositoryLockDays: 36501 isn't a number of days"),
        ({"evidenceLockDays": -1}, "evidenceLockDays: -1 isn't a number of days"),
        ({"alarmAddresses": "dba@example.com, dba"}, "alarmAddresses: 'dba' isn't a mail address: write name@example.com"),
        ({"restoreAddresses": "dba"}, "restoreAddresses: 'dba' isn't a mail address: write name@example.com"),
        ({"dashboard": "yes"}, "dashboard: 'yes' is neither true nor false"),
    ],
    ids=[
        "no account",
        "too many accounts",
        "an alias",
        "an alias's ARN",
        "no policy",
        "no days",
        "too many days",
        "days before today",
        "no address",
        "no address of people",
        "no switch",
    ],
)
def test_what_cannot_be_deployed_is_refused_with_the_key_that_is_wrong(context: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-zA-Z]+: ") as refused:
        read({**WITH_ID, **context}.get)

    assert message in str(refused.value)
    assert str(refused.value).startswith(f"{next(iter(context))}: ")


def test_the_most_accounts_fit_into_the_buckets_policies() -> None:
    statements, principal = 4, len('"arn:aws-us-gov:iam::111111111111:root",')

    assert MOST_TARGET_ACCOUNTS * principal * statements < LARGEST_BUCKET_POLICY - 3_000


@pytest.mark.parametrize(
    ("key", "value"), [("credentialPrefix", "a*"), ("credentialPrefix", "ab"), ("iamUser", "a/*"), ("iamUser", "two words")]
)
def test_what_workers_log_in_with_can_not_be_a_wildcard(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"{key}: .* can't be used: write"):
        read({**WITH_ID, key: value}.get)


@pytest.mark.parametrize(
    "key", ["workerConfiguration", "extensionConfiguration", "sqlserverConfiguration", "credentialConfiguration", "drillConfiguration"]
)
def test_a_configuration_elsewhere_is_read_before_anything_is_synthesised(tmp_path: Path, key: str) -> None:
    path = tmp_path / "ours.json"
    path.write_text("{}")

    settings = read({**WITH_ID, key: str(path)}.get)
    path.write_text('{"unknown": 1}')

    assert path in (
        settings.worker_configuration,
        settings.extension_configuration,
        settings.sqlserver_configuration,
        settings.credential_configuration,
        settings.drill_configuration,
    )
    with pytest.raises(ConfigurationInvalid, match=r"ours\.json#/unknown: isn't a known key"):
        read({**WITH_ID, key: str(path)}.get)
