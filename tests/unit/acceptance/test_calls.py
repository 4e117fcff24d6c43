"""Which calls are kept for the sheet."""

import pytest
from botocore.exceptions import ClientError

from acceptance import calls
from acceptance.account import TriedAccount


def test_refusals_and_changes_are_kept_and_readers_are_not(account: TriedAccount) -> None:
    sqs = account.client("sqs")
    with account.calls.during() as kept:
        sqs.list_queues()
        sqs.create_queue(QueueName="one")
        with pytest.raises(ClientError):
            sqs.get_queue_url(QueueName="two")

    assert [(call.service, call.operation, bool(call.error)) for call in kept] == [
        ("sqs", "CreateQueue", False),
        ("sqs", "GetQueueUrl", True),
    ]
    assert all(call.request_id for call in kept)


def test_of_many_changes_the_first_are_kept_and_every_refusal(account: TriedAccount) -> None:
    sqs = account.client("sqs")
    with account.calls.during() as kept:
        for number in range(calls.KEPT + 5):
            sqs.create_queue(QueueName=f"queue-{number}")
        with pytest.raises(ClientError):
            sqs.delete_queue(QueueUrl="https://eu-central-1.queue.amazonaws.com/123456789012/none")

    assert [bool(call.error) for call in kept] == [False] * calls.KEPT + [True]


def test_what_was_called_before_is_not_of_this_trial(account: TriedAccount) -> None:
    account.client("sqs").create_queue(QueueName="one")
    with account.calls.during() as kept:
        pass

    assert kept == []


def test_aws_is_told_from_another_endpoint(account: TriedAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    assert account.is_aws
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")

    assert not TriedAccount(region="eu-central-1").is_aws
