"""The upcoming invoice: our own figures at once, Stripe's beside them, and a slow Stripe that holds up nothing."""

from __future__ import annotations

import re
from time import monotonic

from flask import Flask

from tests.life.conftest import Buyer


def words(buyer: Buyer, path: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", buyer.page(path)))


def test_without_a_plan_no_invoice_is_to_come(buyer: Buyer) -> None:
    assert "No invoice is to come" in words(buyer, "invoices/upcoming")


def test_ours_stands_at_once_and_stripes_beside_it(app: Flask, buyer: Buyer) -> None:
    buyer.buy("starter")
    buyer.use(350)
    text = words(buyer, "invoices/upcoming")
    assert "So far $35.00 $29.00 of it for the time after" in text  # 250 beyond, at 2.4 cents
    assert "no whole day to go by yet" in text
    assert "Tier 2 250 × $0.024 250" in text
    text = words(buyer, "invoices/upcoming/stripe")
    assert "SMS sent 350" in text
    assert re.search(r"Total \d", text)


def test_a_stripe_that_does_not_answer_is_not_waited_for(app: Flask, buyer: Buyer) -> None:
    buyer.buy("starter")
    buyer.sandbox.fail("POST /v1/invoices/create_preview", "timeout_before", times=1)
    begun = monotonic()
    text = words(buyer, "invoices/upcoming/stripe")
    assert monotonic() - begun < 15
    assert "did not answer within 3 seconds" in text
    assert "So far $29.00" in text
    buyer.sandbox.http.delete(f"{buyer.sandbox.stripe_base}/_sandbox/faults", timeout=5)
