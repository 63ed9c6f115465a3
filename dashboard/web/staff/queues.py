"""How the queues, the workers and the scheduler are."""

from __future__ import annotations

from flask import render_template

from dashboard.jobs.queue_health import look_at_queues
from dashboard.web.staff import blueprint


@blueprint.get("/queues")
def queues() -> str:
    """What waits and since when, who works on what, and the scheduler's last tick."""
    return render_template("staff/queues/index.html", health=look_at_queues())
