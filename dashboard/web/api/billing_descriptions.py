"""The descriptions of the views about plans, subscriptions, invoices and payment methods."""

from __future__ import annotations

from dashboard.web.api.billing_shapes import (
    BillingKeyHeader,
    CancelIn,
    ChangeIn,
    ChangeOut,
    CheckoutIn,
    CheckoutOut,
    InvoicesOut,
    InvoicesQuery,
    InvoiceWithLinesOut,
    PaymentMethodOut,
    PaymentMethodsOut,
    PlansOut,
    PortalIn,
    PortalOut,
    PreviewIn,
    SubscriptionOut,
    UpcomingOut,
)
from dashboard.web.api.openapi import Answer, Body, describe

TAG, READ, MANAGE = "Plans and billing", "billing:read", "billing:manage"
BAD = (400, 409, 413, 415, 503)
YEARLY = {"plan": "professional", "interval": "yearly"}

list_plans = describe(tag=TAG, scope=READ, answers={200: Answer("Every plan.", PlansOut)})
show_subscription = describe(tag=TAG, scope=READ, answers={200: Answer("The subscription.", SubscriptionOut)})
start_checkout = describe(
    tag=TAG,
    scope=MANAGE,
    headers=BillingKeyHeader,
    body=(Body(CheckoutIn, {"starter": {"plan": "starter", "interval": "monthly"}}),),
    answers={201: Answer("Where to pay.", CheckoutOut)},
    errors=BAD,
)
open_portal = describe(
    tag=TAG,
    scope=MANAGE,
    headers=BillingKeyHeader,
    body=(Body(PortalIn, {"card": {"flow": "payment_method_update"}}),),
    answers={201: Answer("Where the portal is.", PortalOut)},
    errors=BAD,
)
preview_change = describe(
    tag=TAG,
    scope=READ,
    body=(Body(PreviewIn, {"upgrade": YEARLY}),),
    answers={200: Answer("The change as it would be.", ChangeOut)},
    errors=BAD,
)
change_plan = describe(
    tag=TAG,
    scope=MANAGE,
    headers=BillingKeyHeader,
    body=(Body(ChangeIn, {"upgrade": YEARLY}),),
    answers={200: Answer("The change as it was made.", ChangeOut)},
    errors=BAD,
)
cancel = describe(
    tag=TAG,
    scope=MANAGE,
    headers=BillingKeyHeader,
    body=(Body(CancelIn, {"period_end": {"when": "period_end"}}),),
    answers={200: Answer("The subscription as it is now.", SubscriptionOut)},
    errors=BAD,
)
resume = describe(
    tag=TAG,
    scope=MANAGE,
    headers=BillingKeyHeader,
    answers={200: Answer("The subscription as it is now.", SubscriptionOut)},
    errors=(409, 503),
)
pause = describe(
    tag=TAG,
    scope=MANAGE,
    headers=BillingKeyHeader,
    answers={200: Answer("The subscription as it is now.", SubscriptionOut)},
    errors=(409, 503),
)
list_invoices = describe(
    tag=TAG, scope=READ, query=InvoicesQuery, answers={200: Answer("A page of invoices.", InvoicesOut)}
)
show_invoice = describe(tag=TAG, scope=READ, answers={200: Answer("The invoice.", InvoiceWithLinesOut)}, errors=(404,))
show_upcoming = describe(
    tag=TAG, scope=READ, answers={200: Answer("The next invoice.", UpcomingOut)}, errors=(404, 503)
)
list_payment_methods = describe(
    tag=TAG, scope=READ, answers={200: Answer("All of them.", PaymentMethodsOut)}, errors=(503,)
)
make_default = describe(
    tag=TAG,
    scope=MANAGE,
    headers=BillingKeyHeader,
    answers={200: Answer("The payment method.", PaymentMethodOut)},
    errors=(404, 409, 503),
)
remove_payment_method = describe(tag=TAG, scope=MANAGE, answers={204: Answer("It is gone.")}, errors=(404, 409, 503))
