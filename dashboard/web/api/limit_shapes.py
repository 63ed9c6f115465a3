"""The shapes of caps, budgets and reservations, for the API's description."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from dashboard.billing.ledger.usage_input import MAX_QUANTITY
from dashboard.billing.ledger.usage_types import SUMS
from dashboard.billing.limits.limits import MAX_BUDGET, MAX_CAP
from dashboard.web.api.answers import Shape
from dashboard.web.api.inputs import short_text


class CapIn(BaseModel):
    """The most of a usage type in a billing period."""

    model_config = ConfigDict(extra="forbid")

    quantity: int = Field(ge=0, le=MAX_CAP, description="Units a billing period; 0 stops every such action.")


class BudgetIn(BaseModel):
    """The most that usage beyond the plan may cost in a billing period."""

    model_config = ConfigDict(extra="forbid")

    amount: int = Field(ge=0, le=MAX_BUDGET, description="Minor units of `currency` a billing period.")
    currency: str | None = Field(
        default=None, pattern="^[a-z]{3}$", description="The currency of the plans, such as usd; it is meant if absent."
    )
    stops: bool = Field(default=True, description="Whether actions that would pass it are stopped.")


class ReservationIn(BaseModel):
    """Units for an action that is about to happen."""

    model_config = ConfigDict(extra="forbid")

    usage_type: str = Field(json_schema_extra={"enum": list(SUMS)})
    quantity: int = Field(ge=0, le=MAX_QUANTITY, description="Units that the action will take.")
    key: str = short_text("The `idempotency_key` of the usage event that will follow.")


class BudgetOut(Shape):
    """A budget, in minor units of `currency` a billing period."""

    amount: int
    currency: str
    stops: bool


class LimitsOut(Shape):
    """What the tenant has set: units a billing period by usage type, and the budget if there is one."""

    caps: dict[str, int]
    budget: BudgetOut | None


class ReservationOut(Shape):
    """A place that is held. `held` is false where no cap or budget concerns the type: nothing needs to be held then."""

    key: str
    usage_type: str
    quantity: int
    held: bool
    expires_at: datetime | None
