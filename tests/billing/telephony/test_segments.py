"""Segments before Twilio counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.billing.telephony.segments import estimate_segments
from sandbox.twilio.segments import count_segments


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("a" * 66 + "😀" + "a" * 66, 3),
        ("ç" * 71, 2),
    ],
)
def test_segments_are_counted_as_carriers_do(body: str, segments: int) -> None:
    assert estimate_segments(body) == segments


@given(st.text(st.one_of(st.sampled_from("a€{я😀\n\fç"), st.characters(exclude_categories=["Cs"])), max_size=700))
def test_our_estimate_is_what_the_sandbox_counts(body: str) -> None:
    assert estimate_segments(body) == count_segments(body)
