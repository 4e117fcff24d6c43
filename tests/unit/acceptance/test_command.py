"""What is said and asked before anything is made."""

import json
from pathlib import Path

import pytest

from acceptance import command, consent, costs
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import stacks
from acceptance.wishes import FULL, PREFIX, QUICK, Wishes
from infrastructure import names

TEMPLATE = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
DOCS = Path(__file__).parents[3] / "docs" / "acceptance.md"


@pytest.mark.parametrize(("typed", "is_agreed"), [("yes", True), (" YES ", True), ("y", False), ("", False), ("no", False)])
def test_only_the_word_begins_it(account: TriedAccount, typed: str, is_agreed: bool) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return typed

    assert consent.given(account, Wishes(), ask) == is_agreed
    assert "123456789012, eu-central-1" in asked[0]


def test_without_anybody_to_answer_nothing_begins(account: TriedAccount) -> None:
    def ask(question: str) -> str:
        raise EOFError

    assert not consent.given(account, Wishes(), ask)


def test_agreeing_beforehand_asks_nothing(account: TriedAccount) -> None:
    def ask(question: str) -> str:
        raise AssertionError(question)

    assert consent.given(account, Wishes(yes=True), ask)


def test_a_no_makes_nothing(
    account: TriedAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda question: "no")

    assert command.main(["--results", str(tmp_path), "--region", "eu-central-1"]) == 2

    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr()
    assert "costs about $" in said.out
    assert "Nothing was made." in said.err


@pytest.mark.parametrize(("options", "prefix"), [([], PREFIX), (["--prefix", "another"], "another")])
def test_where_a_run_left_its_installation_nothing_begins(
    account: TriedAccount, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], prefix: str
) -> None:
    bucket = repository(account, prefix)

    assert command.main(["--yes", "--results", str(tmp_path), "--region", "eu-central-1", *options]) == 2

    said = " ".join(capsys.readouterr().err.split())
    assert f"the prefix {prefix} is, or was, in this account and Region ({bucket})" in said
    assert "python -m acceptance --remove RUN" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("thing", ["stack", "table", "role"])
def test_whatever_is_left_of_an_installation_is_seen(account: TriedAccount, thing: str) -> None:
    stacks.require_none(account)
    if thing == "stack":
        account.client("cloudformation").create_stack(StackName="TrialTarget", TemplateBody=json.dumps(TEMPLATE))
    elif thing == "table":
        key = {"AttributeName": "pk", "AttributeType": "S"}
        account.client("dynamodb").create_table(
            TableName="trial-ledger",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[key],
            BillingMode="PAY_PER_REQUEST",
        )
    else:
        account.client("iam").create_role(RoleName="trial-target-eu-central-1", AssumeRolePolicyDocument="{}")

    with pytest.raises(stacks.AlreadyDeployed, match="the prefix trial is, or was,"):
        stacks.require_none(account)


def test_an_installation_with_another_prefix_is_in_nobodys_way(account: TriedAccount) -> None:
    repository(account, "dbrestore")

    stacks.require_none(account)


@pytest.mark.parametrize("wrong", ["a-b", "Upper", "ab", "thirteenchars"])
def test_a_prefix_that_no_installation_can_have_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["--yes", "--prefix", wrong])

    assert "write 3 to 12 lower-case letters and digits" in capsys.readouterr().err


def repository(account: TriedAccount, prefix: str) -> str:
    bucket = names.bucket(names.of(prefix, names.REPOSITORY_BUCKET), "123456789012", "eu-central-1")
    account.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return bucket


def test_a_run_of_another_account_is_not_removed(account: TriedAccount, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Diary.begin(tmp_path, run="a000001", account="999999999999", region="eu-west-1", prefix="trial").note("bucket", "theirs")

    assert command.main(["--remove", "a000001", "--results", str(tmp_path), "--region", "eu-central-1"]) == 2

    assert "999999999999, eu-west-1" in capsys.readouterr().err


def test_a_run_is_removed_with_its_own_prefix(account: TriedAccount, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The signpost of that prefix leads to a state machine that isn't there, so whoever followed it says so."""
    Diary.begin(tmp_path, run="a000001", account="123456789012", region="eu-central-1", prefix="another")
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:another"
    places = {"stateMachineArn": machine, "ledgerTable": "x", "repositoryBucket": "x", "evidenceBucket": "x"}
    account.client("ssm").put_parameter(Name="/another/control", Value=json.dumps(places), Type="String")

    assert command.main(["--remove", "a000001", "--results", str(tmp_path), "--region", "eu-central-1"]) == 5

    assert "ListExecutions" in capsys.readouterr().err


def test_a_backup_of_sql_server_asks_for_the_instance(tmp_path: Path) -> None:
    given = command._parser().parse_args(["--sqlserver-backup", str(tmp_path)])

    assert command._wishes(given).sqlserver


def test_a_longer_run_is_said_to_cost_more() -> None:
    total = {
        (scale.name, native): sum(item.dollars for item in costs.items(Wishes(scale=scale, sqlserver=native)))
        for scale in (QUICK, FULL)
        for native in (False, True)
    }

    assert total["quick", False] < total["quick", True] < total["full", True]
    assert total["full", True] < 5


@pytest.mark.parametrize("scale", [QUICK, FULL])
@pytest.mark.parametrize("sqlserver", [False, True])
def test_the_page_says_what_the_program_says(scale: object, sqlserver: bool) -> None:
    wishes = Wishes(scale=scale, sqlserver=sqlserver)  # type: ignore[arg-type]
    total = sum(item.dollars for item in costs.items(wishes))

    assert (
        f"| `{wishes.scale.name}` | {'yes' if sqlserver else 'no'} | {costs.hours(wishes):g} h | $ {total:.2f} |"
        in DOCS.read_text().splitlines()
    )
