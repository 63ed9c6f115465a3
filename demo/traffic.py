"""What is sent, and when: real texts and real AI request times where the files are there, our own where not.

The files are the SMS Spam Collection v.1 (T. A. Almeida, J. M. Gómez Hidalgo; CC BY 4.0) and the Azure LLM inference
trace 2023 (AzurePublicDataset; CC BY 4.0). They are read from `DEMO_DATA` and are no part of this project.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from pathlib import Path

TEXTS_FILE = "sms_messages.tsv"
TRACE_FILE = "llm_inference_trace.csv"
CREDIT = (
    "Message texts: SMS Spam Collection v.1 by T. A. Almeida and J. M. Gómez Hidalgo. "
    "AI request times and token counts: Azure LLM inference trace 2023. Both CC BY 4.0."
)

OWN_TEXTS = (
    "Your appointment is confirmed for tomorrow at 9:30. Reply C to cancel.",
    "Parcel 48213 left our depot and arrives today between 14:00 and 16:00.",
    "Votre rendez-vous est confirmé. À bientôt, l'équipe.",
    "Ваш заказ готов к выдаче. Ждём вас до 20:00.",
    "Thank you for your visit 🙏 How did we do? Answer 1 to 5 ⭐",
    "ご予約ありがとうございます。明日のお越しをお待ちしております。",
    "Price update: 12 [pallets] at €18 each {ex VAT}. Reply Y to confirm ~ offer ends Friday.",
    (
        "Reminder: please bring your insurance card, a list of your current medicines and the referral letter of your "
        "family doctor. The entrance is at the back of the building, second floor, and parking is free for two hours."
    ),
    (
        "Delivery note 🚚: your order was split into three parcels because one item comes from another warehouse. The "
        "first two arrive on Tuesday, the last one on Thursday. Nothing else changes and no further cost arises."
    ),
)


@dataclass(frozen=True, slots=True)
class AiRequest:
    """One request of the trace: seconds after its beginning, tokens read and written."""

    second: float
    context_tokens: int
    generated_tokens: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Texts and AI requests to draw from, in order, without end."""

    texts: Iterator[str]
    requests: Iterator[AiRequest]
    is_real: bool


def open_traffic(folder: Path) -> Traffic:
    """Real traffic out of `folder`, or our own messages when the files are not there."""
    texts, trace = folder / TEXTS_FILE, folder / TRACE_FILE
    if texts.is_file() and trace.is_file():
        return Traffic(cycle(_read_texts(texts)), cycle(_read_trace(trace)), is_real=True)
    return Traffic(cycle(OWN_TEXTS), cycle(_own_requests()), is_real=False)


def _read_texts(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := line.partition("\t")[2].strip()) and len(text) <= 1_600]


def _read_trace(path: Path) -> list[AiRequest]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = _time_of(rows[0])
    return [
        AiRequest((_time_of(row) - first).total_seconds(), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
        for row in rows
    ]


def _time_of(row: dict[str, str]) -> datetime:
    # The file gives seven digits of a second, one more than a datetime holds.
    return datetime.fromisoformat(row["TIMESTAMP"][:26])


def _own_requests() -> list[AiRequest]:
    """A quiet hour in bursts of five."""
    return [AiRequest(burst * 36 + n * 0.7, 300 + 40 * n, 60 + 25 * n) for burst in range(100) for n in range(5)]
