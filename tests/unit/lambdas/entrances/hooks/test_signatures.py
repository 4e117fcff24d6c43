"""The table of schemes against signatures that others have made: the senders' own published examples, and OpenSSL's command."""

import re
import subprocess
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lambdas.entrances.hooks.signatures import PUBLISHED, SCHEMES, Delivery, SecretUnusable, is_fresh, is_signed, key_of

HUB_SECRET = "It's a Secret to Everybody"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD = Delivery(
    b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "1614265330", "msg_p5jXN8AQM9LWM0D4loKWxJek"
)


def openssl(secret: str, text: bytes) -> str:
    """The hexadecimal HMAC-SHA256 that OpenSSL's command makes."""
    done = subprocess.run(["openssl", "dgst", "-sha256", "-hmac", secret], input=text, capture_output=True, check=True)
    found = re.search(rb"[0-9a-f]{64}", done.stdout)
    assert found
    return found[0].decode()


def test_the_example_of_githubs_documentation() -> None:
    """docs.github.com, "Validating webhook deliveries"."""
    signed = Delivery(b"Hello, World!", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")

    assert is_signed(SCHEMES["github"], signed, [HUB_SECRET.encode()])
    assert not is_signed(SCHEMES["github"], replace(signed, body=b"Hello, World."), [HUB_SECRET.encode()])


def test_the_example_of_atlassians_documentation() -> None:
    """developer.atlassian.com, "Webhooks", of Jira Cloud: the text has no comma there."""
    signed = Delivery(b"Hello World!", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")

    assert is_signed(SCHEMES["jira"], signed, [HUB_SECRET.encode()])
    assert not is_signed(SCHEMES["jira"], replace(signed, body=b"Hello, World!"), [HUB_SECRET.encode()])


def test_the_example_of_the_reference_implementation_of_standard_webhooks() -> None:
    scheme = SCHEMES["standard-webhooks"]
    key, published = b"another key of 24 bytes!", b64decode(STANDARD_SECRET.removeprefix("whsec_"))

    assert is_signed(scheme, STANDARD, [published])
    assert is_signed(scheme, STANDARD, [key, published])
    for other in (replace(STANDARD, id="msg_1"), replace(STANDARD, time="1614265331"), replace(STANDARD, body=b"{}")):
        assert not is_signed(scheme, other, [published])
    assert not is_signed(scheme, STANDARD, [key])


def test_pagerdutys_signature_is_that_of_openssl_wherever_it_stands_in_the_list() -> None:
    secret, body = "PagerDuty secret of a test", '{"event":{"id":"01DJ4PKZ1F","title":"zurück"}}'.encode()
    mine, other = openssl(secret, body), openssl("another", body)
    scheme = SCHEMES["pagerduty"]

    for header in (f"v1={mine}", f"v1={other},v1={mine}", f"v1={mine},v1={other}", f"v2={other}, v1={mine}"):
        assert is_signed(scheme, Delivery(body, header), [secret.encode()])
    for header in (f"v1={other}", f"v2={mine}", mine, f"v1={mine[:-1]}", f"v1= {mine}", "", ",", "v1="):
        assert not is_signed(scheme, Delivery(body, header), [secret.encode()])


def test_zendesks_time_stands_before_the_body_without_anything_between() -> None:
    secret, time, body = "Zendesk secret of a test", "2026-11-24T09:33:18Z", b'{"ticket":{"id":"35436"}}'
    scheme = SCHEMES["zendesk"]
    signature = b64encode(bytes.fromhex(openssl(secret, time.encode() + body))).decode()
    swapped = b64encode(bytes.fromhex(openssl(secret, body + time.encode()))).decode()

    assert is_signed(scheme, Delivery(body, signature, time), [secret.encode()])
    assert not is_signed(scheme, Delivery(body, swapped, time), [secret.encode()])
    assert is_signed(scheme, Delivery(b"", b64encode(bytes.fromhex(openssl(secret, time.encode()))).decode(), time), [secret.encode()])


def test_zendesks_secret_is_the_text_and_not_what_it_would_be_in_base64() -> None:
    """An older example of Zendesk's page, from when the body came first, shows what the key is."""
    secret, signature = "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=", "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw="
    as_then = replace(SCHEMES["zendesk"], signed=("body", "time"))

    assert is_signed(as_then, Delivery(b'{"say": "hello"}', signature, "2021-07-25T10:00:00Z"), [key_of(SCHEMES["zendesk"], secret)])


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
@pytest.mark.parametrize("header", [None, "", " ", ",", "v1,", "sha256=", "v1=", "\ud800", "ü", "sha1=0000"])
def test_what_is_no_signature_fits_nothing(scheme: object, header: str | None) -> None:
    known = next(one for one in SCHEMES.values() if one is scheme)

    assert not is_signed(known, Delivery(b"{}", header, "\ud800", "\ud800"), [b"0123456789abcdef"])
    assert not is_signed(known, Delivery(b"{}", header), [])


@pytest.mark.parametrize("published", sorted(PUBLISHED))
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_secrets_that_stand_in_documentation_are_refused_and_not_told(scheme: object, published: str) -> None:
    known = next(one for one in SCHEMES.values() if one is scheme)
    for text in (published, f"{published}\n", published.removeprefix("whsec_")):
        with pytest.raises(SecretUnusable) as refused:
            key_of(known, text)
        assert published.removeprefix("whsec_") not in str(refused.value)


@pytest.mark.parametrize("secret", ["", " \n", "short", "fifteen bytes.."])
def test_secrets_that_can_be_guessed_are_refused(secret: str) -> None:
    for scheme in SCHEMES.values():
        with pytest.raises(SecretUnusable):
            key_of(scheme, secret)


def test_a_key_of_standard_webhooks_is_what_its_base64_says() -> None:
    scheme = SCHEMES["standard-webhooks"]

    assert key_of(scheme, "whsec_MDEyMzQ1Njc4OWFiY2RlZg==") == key_of(scheme, "MDEyMzQ1Njc4OWFiY2RlZg==\n") == b"0123456789abcdef"
    with pytest.raises(SecretUnusable, match="base64"):
        key_of(scheme, "whsec_not base64 at all, and long")


NOW = datetime(2026, 11, 24, 9, 33, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "time", "fresh"),
    [
        ("zendesk", "2026-11-24T09:33:18Z", True),
        ("zendesk", "2026-11-24T10:33:18.123+01:00", True),
        ("zendesk", "2026-11-24T09:28:17Z", False),
        ("zendesk", "2026-11-24T09:38:19Z", False),
        ("zendesk", "2026-11-24T09:33:18", False),
        ("zendesk", "", False),
        ("zendesk", "yesterday", False),
        ("standard-webhooks", str(int(NOW.timestamp())), True),
        ("standard-webhooks", str(int(NOW.timestamp()) - 301), False),
        ("standard-webhooks", f"{NOW.timestamp()}", False),
        ("standard-webhooks", "99999999999", False),
        ("standard-webhooks", "999999999999999999", False),
        ("standard-webhooks", "١٢٣", False),
        ("github", "", True),
    ],
)
def test_a_signed_time_is_near_or_counts_for_nothing(name: str, time: str, fresh: bool) -> None:
    scheme = next(scheme for known, scheme in SCHEMES.items() if known == name)

    assert is_fresh(scheme, Delivery(b"", None, time), NOW) is fresh
    assert is_fresh(scheme, Delivery(b"", None, time), NOW + timedelta(days=99999)) is (fresh and name == "github")
