"""The descriptions of views that report usage, send texts and make calls: each is a decorator of one view."""

from __future__ import annotations

from dashboard.web.api import examples
from dashboard.web.api.answers import EventOut, RecordOut
from dashboard.web.api.cloudevents import BATCH, STRUCTURED
from dashboard.web.api.inputs import CloudEventIn, CloudEventsIn, RecordQuery, UsageEventsIn
from dashboard.web.api.openapi import Answer, Body, describe
from dashboard.web.api.telephony_shapes import CallIn, CallOut, IdempotencyHeader, TextIn, TextOut

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
    errors=(400, 409, 413, 415),
)

show_event = describe(
    tag="Usage events",
    scope="usage:read",
    answers={200: Answer("The event.", EventOut, example=examples.STORED_EVENT)},
    errors=(404,),
)

send_text = describe(
    tag="Texts and calls",
    scope="messages:send",
    headers=IdempotencyHeader,
    body=(Body(TextIn, {"text": examples.TEXT}),),
    answers={
        201: Answer("Twilio took it.", TextOut),
        200: Answer("The same key sent it before.", TextOut),
    },
    errors=(400, 402, 409, 413, 415, 502, 503),
)

show_text = describe(
    tag="Texts and calls",
    scope="messages:send",
    answers={200: Answer("The text.", TextOut)},
    errors=(404,),
)

make_call = describe(
    tag="Texts and calls",
    scope="calls:make",
    headers=IdempotencyHeader,
    body=(Body(CallIn, {"call": examples.CALL}),),
    answers={
        201: Answer("Twilio took it.", CallOut),
        200: Answer("The same key asked for it before.", CallOut),
    },
    errors=(400, 402, 409, 413, 415, 502, 503),
)

show_call = describe(
    tag="Texts and calls",
    scope="calls:make",
    answers={200: Answer("The call.", CallOut)},
    errors=(404,),
)
