"""The descriptions of the views about webhooks: a tenant's own, and those of Stripe and Twilio."""

from __future__ import annotations

from dashboard.web.api import examples
from dashboard.web.api.openapi import Answer, Body, describe
from dashboard.web.api.webhook_shapes import (
    DeliveriesOut,
    DeliveriesQuery,
    EndpointIn,
    EndpointOut,
    EndpointsOut,
    EndpointUpdateIn,
    NewEndpointOut,
    QueuedOut,
    ReceivedOut,
    ReplayedOut,
    ReplayIn,
    StripeEventIn,
    StripeSignatureHeader,
    TwilioPostIn,
    TwilioSignatureHeader,
)

OURS, THEIRS, SCOPE = "Webhooks", "From Stripe and Twilio", "webhooks:manage"
BAD_BODY = (400, 413, 415)

list_endpoints = describe(tag=OURS, scope=SCOPE, answers={200: Answer("All of them.", EndpointsOut)})
create_endpoint = describe(
    tag=OURS,
    scope=SCOPE,
    body=(Body(EndpointIn, {"endpoint": examples.ENDPOINT}),),
    answers={201: Answer("The endpoint, with its secret: it stands nowhere else.", NewEndpointOut)},
    errors=BAD_BODY,
)
show_endpoint = describe(tag=OURS, scope=SCOPE, answers={200: Answer("The endpoint.", EndpointOut)}, errors=(404,))
update_endpoint = describe(
    tag=OURS,
    scope=SCOPE,
    body=(Body(EndpointUpdateIn, {"stop": {"enabled": False}}),),
    answers={200: Answer("The endpoint as it is now.", EndpointOut)},
    errors=(404, *BAD_BODY),
)
delete_endpoint = describe(tag=OURS, scope=SCOPE, answers={204: Answer("It is gone.")}, errors=(404,))
test_endpoint = describe(tag=OURS, scope=SCOPE, answers={202: Answer("It is on its way.", QueuedOut)}, errors=(404,))
list_deliveries = describe(
    tag=OURS,
    scope=SCOPE,
    query=DeliveriesQuery,
    answers={200: Answer("A page of deliveries.", DeliveriesOut)},
    errors=(404,),
)
replay_failed = describe(
    tag=OURS,
    scope=SCOPE,
    body=(Body(ReplayIn, {"since": {"since": "2026-06-01T00:00:00Z"}}),),
    answers={202: Answer("They are on their way.", ReplayedOut)},
    errors=(404, *BAD_BODY),
)
replay_one = describe(tag=OURS, scope=SCOPE, answers={202: Answer("It is on its way.", ReplayedOut)}, errors=(404, 409))

stripe_webhook = describe(
    tag=THEIRS,
    headers=StripeSignatureHeader,
    body=(Body(StripeEventIn, {"event": {"id": "evt_1", "type": "invoice.paid", "created": 1780000000}}),),
    answers={200: Answer("It is on disk.", ReceivedOut)},
    errors=(400, 413, 503),
)
_POST = (
    Body(
        TwilioPostIn,
        {"text": {"MessageSid": "SM0123456789abcdef0123456789abcdef", "MessageStatus": "delivered"}},
        "application/x-www-form-urlencoded",
    ),
)
twilio_status = describe(
    tag=THEIRS,
    headers=TwilioSignatureHeader,
    body=_POST,
    answers={204: Answer("It is noted.")},
    errors=(400, 403, 404, 413, 503),
)
twilio_inbound = describe(
    tag=THEIRS,
    headers=TwilioSignatureHeader,
    body=_POST,
    answers={200: Answer("What Twilio is to do.", also={"text/xml": "TwiML."})},
    errors=(400, 403, 413),
)
