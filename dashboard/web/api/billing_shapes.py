"""The shapes of what the billing API takes and answers. Money is whole minor units of `currency`, times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dashboard.billing.plans.offers import sold_plans
from dashboard.web.api.answers import Shape
from dashboard.web.api.inputs import short_text

PlanName = Annotated[str, Field(json_schema_extra={"enum": list(sold_plans())})]
Interval = Literal["monthly", "yearly"]


class AllowanceOut(Shape):
    """What a plan includes of one usage type each month; `overage_rate` is minor units for each unit beyond."""

    usage_type: str
    included: int
    overage_rate: str | None


class PlanOut(Shape):
    """One plan. Amounts are null while it is not on sale."""

    key: str
    name: str
    is_current: bool
    monthly_amount: int | None
    yearly_amount: int | None
    currency: str
    trial_days: int
    allowances: list[AllowanceOut]


class PlansOut(Shape):
    """Every plan, cheapest first."""

    plans: list[PlanOut]


class ScheduledOut(Shape):
    """A change that is to come."""

    plan: str | None
    interval: str | None
    effective_at: datetime


class OverdueOut(Shape):
    """What to do about a payment that failed."""

    invoice_id: str
    amount_remaining: int
    currency: str
    pay_url: str | None = Field(description="Stripe's page of the invoice: pay there, with this card or another.")


class SubscriptionOut(Shape):
    """The subscription that counts. On Free `id` and what follows from it are null."""

    plan: str
    id: str | None
    status: str | None = Field(examples=["active"])
    interval: str | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    renews_at: datetime | None = Field(description="When the base fee is due again: of a yearly plan the year's end.")
    cancel_at: datetime | None
    trial_end: datetime | None
    scheduled_change: ScheduledOut | None
    waiting_until: datetime | None = Field(description="Until when a change waits for its payment.")
    payment_due: OverdueOut | None
    other_subscriptions: list[str] = Field(description="Live ones beside it, made at Stripe: they are billed too.")


class CheckoutIn(BaseModel):
    """What to buy."""

    model_config = ConfigDict(extra="forbid")

    plan: PlanName
    interval: Interval = "monthly"
    promotion_code: str | None = short_text(
        "A code of yours. Without one the hosted page asks for it, except for a yearly plan.", default=None
    )


class CheckoutOut(Shape):
    """Where the buyer pays."""

    id: str
    url: str
    plan: str
    interval: str
    trial_days: int


class PortalIn(BaseModel):
    """Which part of the portal."""

    model_config = ConfigDict(extra="forbid")

    flow: Literal["payment_method_update", "subscription_cancel"] | None = Field(
        default=None, description="The whole portal when left out."
    )


class PortalOut(Shape):
    """Where the portal is, for a short time."""

    url: str


class PreviewIn(BaseModel):
    """The plan to change to."""

    model_config = ConfigDict(extra="forbid")

    plan: PlanName
    interval: Interval


class ChangeIn(PreviewIn):
    """The plan to change to, as it was previewed."""

    proration_date: datetime | None = Field(
        default=None,
        description="`proration_date` of a preview of the last two hours: what was shown is what is charged. "
        "Worked out anew when left out.",
    )


class CancelIn(BaseModel):
    """When it is to end."""

    model_config = ConfigDict(extra="forbid")

    when: Literal["period_end", "now"]


class LineOut(Shape):
    """One line of an invoice."""

    description: str | None
    usage_type: str | None
    quantity: int | None
    unit_amount: str | None = Field(description="Minor units for one; may have decimals.")
    amount: int
    period_start: datetime
    period_end: datetime
    proration: bool


class PreviewLineOut(Shape):
    """One line of an invoice to come."""

    description: str
    quantity: int | None
    amount: int
    period_start: datetime
    period_end: datetime
    proration: bool


class UpcomingOut(Shape):
    """An invoice to come, as it would be by now. `amount_due` is what would be charged after the balance."""

    currency: str
    subtotal: int
    tax: int
    total: int
    amount_due: int
    due_at: datetime
    lines: list[PreviewLineOut]


class LossOut(Shape):
    """Included units that the smaller plan does not have."""

    usage_type: str
    before: int
    after: int


class ChangeOut(Shape):
    """A change as it would be, or was made (`outcome`)."""

    from_plan: str | None
    from_interval: str | None
    plan: str
    interval: str
    takes_effect: Literal["now", "period_end"]
    effective_at: datetime
    proration_date: datetime | None
    invoice: UpcomingOut | None = Field(description="What is charged now; null where nothing is.")
    losses: list[LossOut]
    outcome: Literal["changed", "scheduled", "kept", "unchanged", "waiting"] | None
    waiting_until: datetime | None


class InvoiceOut(Shape):
    """An invoice without its lines."""

    id: str
    number: str | None
    status: str
    billing_reason: str | None
    currency: str
    subtotal: int
    tax: int
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    created_at: datetime
    due_at: datetime | None
    paid_at: datetime | None
    hosted_invoice_url: str | None
    invoice_pdf: str | None


class InvoiceWithLinesOut(InvoiceOut):
    """An invoice with its lines."""

    lines: list[LineOut]


class InvoicesOut(Shape):
    """A page of invoices, newest first."""

    invoices: list[InvoiceOut]
    next_cursor: str | None


class InvoicesQuery(BaseModel):
    """Which invoices."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    status: Literal["draft", "open", "paid", "void", "uncollectible"] | None = None
    start: str | None = Field(
        default=None, alias="from", description="Created at or after: a date or an ISO 8601 time."
    )
    stop: str | None = Field(default=None, alias="to", description="Created before.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=20, ge=1, le=100)


class PaymentMethodOut(Shape):
    """A saved payment method. Card fields are null for what is no card."""

    id: str
    kind: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    is_default: bool


class PaymentMethodsOut(Shape):
    """All of them, newest first."""

    payment_methods: list[PaymentMethodOut]


class BillingKeyHeader(BaseModel):
    """Makes a repeat safe."""

    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The same key never does it twice, here and at Stripe: it gets the first answer again. Kept for "
        "30 days; with another body 409. A key is made up when none is sent.",
    )
