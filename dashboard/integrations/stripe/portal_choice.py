"""Which configuration of the customer portal a session takes: the one that the set-up made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stripe import StripeClient

from dashboard.integrations.stripe.setup.portal import find_configuration

if TYPE_CHECKING:
    from stripe.params.billing_portal import SessionCreateParams


class PortalChoice:
    """Looks the configuration up once for the process. Set-ups change it in place, so its id stays."""

    def __init__(self, client: StripeClient) -> None:
        self._client = client
        self._id: str | None = None

    def chosen(self, params: SessionCreateParams) -> SessionCreateParams:
        """The parameters with the configuration; before the set-up ran Stripe takes the account's default."""
        if self._id is None:
            found = find_configuration(self._client)
            self._id = found.id if found else None
        return {**params, "configuration": self._id} if self._id else params
