"""A user as Flask-Login sees one."""

from __future__ import annotations

from typing import Any

from dashboard.models import User


class Account:
    """A user as Flask-Login sees one: every other attribute is the user's own."""

    is_active = True
    is_authenticated = True
    is_anonymous = False

    def __init__(self, user: User) -> None:
        self.user = user

    def get_id(self) -> str:
        """The id kept in the session cookie."""
        return str(self.user.id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.user, name)
