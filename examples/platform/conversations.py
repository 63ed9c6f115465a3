"""Conversations: answers and voice clips made by AI, texts and calls."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

from examples.platform.tenants import Actor, Fields

SAMPLES = 8_000  # a second
TONE = bytes(128 + (40 if n // 10 % 2 else -40) for n in range(SAMPLES))


def reply(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Let the AI answer in a conversation."""
    conversation, prompt = fields.text("conversation"), fields.text("prompt")
    answer = f"Thank you for your message: {prompt[:80]}"  # a real model would be asked here
    message = actor.tenant.store.add("message", {"conversation": conversation, "text": answer})
    actor.tenant.usage.record(
        "AI_MESSAGE_GENERATED",
        user=actor.user,
        resource=("conversation", conversation),
        metadata={
            "message": message,
            # A replay of recorded traffic knows its tokens; otherwise words stand in for them.
            "context_tokens": fields.number("context_tokens", len(prompt.split())),
            "generated_tokens": fields.number("generated_tokens", len(answer.split())),
        },
        occurred_at=actor.at,
    )
    return {"message": message, "text": answer}


def speak(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Make a voice clip of a text. The file lies in the tenant's media folder and counts as storage there."""
    text = fields.text("text")
    clip = actor.tenant.store.add("voice_clip", {"text": text}) or ""
    seconds = 1 + len(text) // 15
    write_clip(actor.tenant.media / "voice" / f"{clip}.wav", seconds)
    actor.tenant.usage.record(
        "AI_VOICE_GENERATED",
        user=actor.user,
        resource=("voice_clip", clip),
        metadata={"seconds": seconds, "voice": "narrator"},
        occurred_at=actor.at,
    )
    return {"voice_clip": clip, "seconds": seconds}


def send_text(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Send a text. Countinghouse counts it (SMS_SENT, by segment), so it is not reported here."""
    metadata = {"conversation": fields.text("conversation", "none"), "campaign": fields.text("campaign", "none")}
    return actor.tenant.phones.send_text(fields.text("to"), fields.text("text"), user=actor.user, metadata=metadata)


def place_call(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Call somebody. Countinghouse counts it (CALL_MADE, CALL_DURATION_SECONDS), so it is not reported here."""
    metadata = {"conversation": fields.text("conversation", "none")}
    return actor.tenant.phones.place_call(fields.text("to"), fields.text("text"), user=actor.user, metadata=metadata)


def write_clip(path: Path, seconds: int) -> None:
    """A tone in place of a voice, as a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(SAMPLES)
        file.writeframes(TONE * seconds)
