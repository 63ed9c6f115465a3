"""Examples in the API's description: one tenant's June, the same everywhere."""

from __future__ import annotations

EVENT = {
    "usage_type": "AI_MESSAGE_GENERATED",
    "quantity": 1,
    "idempotency_key": "msg-8841",
    "occurred_at": "2026-06-14T09:30:00Z",
    "user_id": "ada",
    "resource_type": "conversation",
    "resource_id": "c-17",
    "metadata": {"campaign": "spring", "tokens": 512},
}
SECOND = {"usage_type": "SMS_SENT", "quantity": 2, "idempotency_key": "sms-17", "user_id": "bob"}
CLOUDEVENT = {
    "specversion": "1.0",
    "id": "8841",
    "source": "/assistant",
    "type": "AI_MESSAGE_GENERATED",
    "time": "2026-06-14T09:30:00Z",
    "subject": "ada",
    "data": {"quantity": 1, "resource_type": "conversation", "resource_id": "c-17"},
}
RECORDED = {"id": 4211, "idempotency_key": "msg-8841", "status": "new"}
PERIOD = {
    "key": "2026-06-03",
    "starts_at": "2026-06-03T08:12:44+00:00",
    "ends_at": "2026-07-03T08:12:44+00:00",
    "plan": "starter",
    "is_current": True,
}
_SPAN = {"from": PERIOD["starts_at"], "to": PERIOD["ends_at"], "period": PERIOD}
_NONE_LATE = {"late_quantity": 0, "late_events": 0}
SUMMARY = {
    **_SPAN,
    "currency": "usd",
    "estimated_cost": 288,
    "late_events": 0,
    "last_recorded_at": "2026-06-14T09:30:01.204000+00:00",
    "types": [
        {
            "usage_type": "SMS_SENT",
            "label": "SMS sent",
            "unit": "segment",
            "aggregation": "sum",
            "quantity": 220,
            "events": 190,
            "included": 100,
            "remaining": 0,
            "over": 120,
            "estimated_cost": 288,
            **_NONE_LATE,
            "last_recorded_at": "2026-06-14T09:30:01.204000+00:00",
        }
    ],
}
STORED_EVENT = {
    "id": 4211,
    "usage_type": "AI_MESSAGE_GENERATED",
    "quantity": 1,
    "user_id": "ada",
    "resource_type": "conversation",
    "resource_id": "c-17",
    "metadata": {"campaign": "spring", "tokens": 512},
    "source": "api",
    "idempotency_key": "msg-8841",
    "occurred_at": "2026-06-14T09:30:00+00:00",
    "recorded_at": "2026-06-14T09:30:01.204000+00:00",
    "corrects_id": None,
    "corrected_by": None,
    "late": False,
}
USAGE = {
    "usage_type": "AI_MESSAGE_GENERATED",
    "unit": "message",
    "aggregation": "sum",
    **_SPAN,
    "total": {"quantity": 41, "events": 41, **_NONE_LATE},
    "granularity": "day",
    "series": [
        {
            "from": "2026-06-03T08:12:44+00:00",
            "to": "2026-06-04T00:00:00+00:00",
            "quantity": 41,
            "events": 41,
            **_NONE_LATE,
        }
    ],
    "group_by": "user",
    "groups": [{"key": "ada", "resource_type": None, "quantity": 30, "events": 30}],
    "other": {"groups": 2, "quantity": 11, "events": 11},
    "events": [STORED_EVENT],
    "next_cursor": "MjAyNi0wNi0xNFQwOTozMDowMCswMDowMHw0MjEx",
}
REVERSAL = {"id": 4290, "corrects_id": 4211, "idempotency_key": "reversal:4211"}
SYNC = {
    "id": 31,
    "state": "running",
    "usage_types": ["CALL_DURATION_SECONDS", "SMS_SENT"],
    "started_by": "API key platform, tenant 7",
    "requested_at": "2026-06-14T09:31:00+00:00",
    "started_at": "2026-06-14T09:31:00.410000+00:00",
    "finished_at": None,
    "progress": 40,
    "claimed": 5,
    "to_send": 5,
    "sent": 2,
    "rejected": 0,
    "seconds_left": 1,
    "error": None,
}
TEXT = {"to": "+15551230000", "body": "See you at 9:30", "user_id": "ada"}
CALL = {"to": "+15551230000", "message": "Your table is ready.", "user_id": "ada"}
ENDPOINT = {"url": "https://hooks.example.com/billing", "event_types": ["invoice.paid"]}
