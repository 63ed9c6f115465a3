"""The descriptions of views that were here before their description: each is a decorator of one view."""

from __future__ import annotations

from dashboard.web.api import examples
from dashboard.web.api.answers import EventOut, ReceivedOut, RecordOut, TextOut
from dashboard.web.api.cloudevents import BATCH, STRUCTURED
from dashboard.web.api.inputs import (
    CloudEventIn,
    CloudEventsIn,
    IdempotencyHeader,
    RecordQuery,
    StripeEventIn,
    StripeSignatureHeader,
    TextIn,
    TwilioSignatureHeader,
    TwilioStatusIn,
    UsageEventsIn,
)
from dashboard.web.api.openapi import Answer, Body, describe

record_events = describe(
    tag="Usage events",
    scope="usage:write",
    query=RecordQuery,
    body=(
        Body(
            UsageEventsIn,
            {"one": examples.EVENT, "batch": {"events": [examples.EVENT, examples.SECOND]}},
        ),
        Body(CloudEventIn, {"one": examples.CLOUDEVENT}, STRUCTURED),
        Body(CloudEventsIn, {"batch": [examples.CLOUDEVENT]}, BATCH),
    ),
    answers={
        201: Answer("Something is new.", RecordOut, example=examples.RECORDED),
        200: Answer("Everything was recorded before.", RecordOut),
    },
    errors=(400, 409, 413, 415, 422),
)

show_event = describe(
    tag="Usage events",
    scope="usage:read",
    answers={200: Answer("The event.", EventOut, example=examples.STORED_EVENT)},
    errors=(404,),
)

send_text = describe(
    tag="Messages",
    scope="messages:send",
    headers=IdempotencyHeader,
    body=(Body(TextIn, {"text": examples.TEXT}),),
    answers={
        201: Answer("Twilio took it.", TextOut),
        200: Answer("The same key sent it before.", TextOut),
    },
    errors=(400, 402, 409, 413, 415, 422, 502, 503),
)

show_text = describe(
    tag="Messages",
    scope="messages:send",
    answers={200: Answer("The text.", TextOut)},
    errors=(404,),
)

stripe_webhook = describe(
    tag="From Stripe and Twilio",
    headers=StripeSignatureHeader,
    body=(Body(StripeEventIn, {"event": {"id": "evt_1", "type": "invoice.paid"}}),),
    answers={200: Answer("It is on disk.", ReceivedOut)},
    errors=(400, 413, 503),
)

twilio_status = describe(
    tag="From Stripe and Twilio",
    headers=TwilioSignatureHeader,
    body=(
        Body(
            TwilioStatusIn,
            {"delivered": {"MessageSid": "SM1", "MessageStatus": "delivered"}},
            "application/x-www-form-urlencoded",
        ),
    ),
    answers={204: Answer("It is noted.")},
    errors=(400, 404, 413, 503),
)
