"""Waiting for AWS."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from acceptance import waiting


def refusing(times: int, code: str) -> Any:
    left = [ClientError({"Error": {"Code": code}}, "ModifyVpcAttribute")] * times

    def call(**asked: str) -> Any:
        if left:
            raise left.pop()
        return asked

    return call


def test_it_looks_until_there_is_something() -> None:
    answers = iter([None, False, "there"])
    pauses: list[float] = []

    assert waiting.until(lambda: next(answers), 1, "it", pauses.append) == "there"
    assert pauses == [waiting.FIRST, waiting.FIRST * waiting.GROWTH]


def test_its_pauses_grow_to_the_longest() -> None:
    answers = iter([*[None] * 50, "there"])
    pauses: list[float] = []

    waiting.until(lambda: next(answers), 1, "it", pauses.append)

    assert pauses == sorted(pauses)
    assert pauses[-1] == waiting.LONGEST


def test_what_never_comes_is_named() -> None:
    with pytest.raises(waiting.TookTooLong, match="the stack: not so after 0 minutes"):
        waiting.until(lambda: None, 0, "the stack")


def test_what_aws_does_not_know_yet_is_asked_again() -> None:
    assert waiting.known(refusing(3, "InvalidVpcID.NotFound"), VpcId="vpc-1") == {"VpcId": "vpc-1"}


def test_an_answer_may_be_empty() -> None:
    assert waiting.known(lambda: None) is None


def test_another_refusal_is_final() -> None:
    with pytest.raises(ClientError):
        waiting.known(refusing(1, "UnauthorizedOperation"), VpcId="vpc-1")
