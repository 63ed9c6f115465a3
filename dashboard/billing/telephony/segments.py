"""How many segments a text will take, before Twilio says so: what a reservation asks for.

3GPP TS 23.038 names the GSM-7 alphabet; TS 23.040 takes 7 septets (or 3 UCS-2 units) of each part for its header.
Twilio's own figure (`num_segments`) is what is recorded.
"""

from __future__ import annotations

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("\f^{}\\[~]|€")


def estimate_segments(body: str) -> int:
    """Segments of a text, 1 for an empty one. A character of two units is never split between two parts."""
    if _BASIC.union(_ESCAPED).issuperset(body):
        return _count([1 + (char in _ESCAPED) for char in body], alone=160, in_parts=153)
    return _count([1 + (char > "\uffff") for char in body], alone=70, in_parts=67)


def _count(units: list[int], *, alone: int, in_parts: int) -> int:
    if sum(units) <= alone:
        return 1
    full, filled = 0, 0
    for unit in units:
        if filled + unit > in_parts:
            full, filled = full + 1, 0
        filled += unit
    return full + 1
