"""The signature of webhooks, against the example of the Standard Webhooks specification."""

from __future__ import annotations

import pytest
from countinghouse_client import InvalidSignature, verify_webhook

# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Example"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
SENT = 1614265330
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(SENT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_the_example_of_the_specification_is_good() -> None:
    assert verify_webhook(BODY, HEADERS, SECRET, now=SENT + 299) == {"test": 2432232314}


def test_headers_may_be_written_in_any_case_and_carry_more_signatures() -> None:
    headers = {name.title(): value for name, value in HEADERS.items()}
    headers["Webhook-Signature"] = f"v1,b3RoZXI= v2,new {HEADERS['webhook-signature']}"
    assert verify_webhook(BODY, headers, SECRET, now=SENT)


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({}, BODY + b" ", SENT),
        ({}, BODY, SENT + 301),
        ({}, BODY, SENT - 301),
        ({"webhook-id": "another"}, BODY, SENT),
        ({"webhook-id": ""}, BODY, SENT),
        ({"webhook-timestamp": str(SENT + 1)}, BODY, SENT),
        ({"webhook-timestamp": "now"}, BODY, SENT),
        ({"webhook-signature": ""}, BODY, SENT),
        ({"webhook-signature": "v1,ü"}, BODY, SENT),
        ({"webhook-signature": HEADERS["webhook-signature"].replace("v1,", "v2,")}, BODY, SENT),
    ],
)
def test_anything_altered_or_old_is_refused(change: dict[str, str], body: bytes, now: int) -> None:
    with pytest.raises(InvalidSignature):
        verify_webhook(body, {**HEADERS, **change}, SECRET, now=now)


def test_another_secret_does_not_fit_and_a_secret_that_is_none_is_told() -> None:
    with pytest.raises(InvalidSignature):
        verify_webhook(BODY, HEADERS, "whsec_b3RoZXI=", now=SENT)
    with pytest.raises(ValueError, match="secret must"):
        verify_webhook(BODY, HEADERS, "whsec_not base64!", now=SENT)
