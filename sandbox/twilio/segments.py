"""How many segments a text takes, as carriers count: GSM-7 or UCS-2, whole or in parts.

3GPP TS 23.038 (the alphabet) and TS 23.040 (parts lose 7 septets or 3 UCS-2 units to their header).
"""

from __future__ import annotations

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


def count_segments(body: str) -> int:
    """Segments of a text; an empty one takes one. Characters of two units are never split between parts."""
    if all(char in GSM_BASIC or char in GSM_EXTENDED for char in body):
        return _parts([2 if char in GSM_EXTENDED else 1 for char in body], whole=160, part=153)
    return _parts([2 if ord(char) > 0xFFFF else 1 for char in body], whole=70, part=67)


def _parts(units: list[int], *, whole: int, part: int) -> int:
    if sum(units) <= whole:
        return 1
    parts, room = 1, part
    for unit in units:
        if unit > room:
            parts, room = parts + 1, part
        room -= unit
    return parts
