"""A user as Flask-Login sees one."""

from __future__ import annotations

from typing import Any

from dashboard.billing.tenants.standing import Person, Standing
from dashboard.models import Tenant, User


class Account:
    """A user as Flask-Login sees one, with where it stands: every other attribute is the user's own."""

    is_active = True
    is_authenticated = True
    is_anonymous = False

    def __init__(self, person: Person) -> None:
        self.user: User = person.user
        self.standing: Standing | None = person.standing
        self.tenants: list[Tenant] = person.tenants

    def get_id(self) -> str:
        """The id kept in the session cookie."""
        return str(self.user.id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.user, name)
