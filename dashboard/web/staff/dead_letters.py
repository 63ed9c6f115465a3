"""Everything that failed for good and waits for a person, on one page, and what can be done about it."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from dashboard.billing.staff.dead_letters import list_failed_events, list_failing_endpoints, send_failed_again
from dashboard.billing.staff.staff_overview import count_waiting
from dashboard.jobs import failed_jobs
from dashboard.jobs.failed_jobs import FailedJob, QueueDown
from dashboard.jobs.outgoing import send_due_webhooks
from dashboard.jobs.queues import OUTGOING, enqueue
from dashboard.web.audit import audit, current_actor
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session


@blueprint.get("/dead-letters")
def dead_letters() -> str:
    """Failed webhooks of both directions, refused meter events, failed jobs, unknown prices."""
    jobs: list[FailedJob] = []
    down = None
    try:
        jobs = failed_jobs.list_failed_jobs()
    except QueueDown as error:
        down = str(error)
    return render_template(
        "staff/dead_letters/index.html",
        counts=count_waiting(session()),
        events=list_failed_events(session()),
        endpoints=list_failing_endpoints(session()),
        jobs=jobs,
        down=down,
    )


@blueprint.post("/dead-letters/endpoints/<int:tenant_id>/<int:endpoint_id>/replay")
def replay_endpoint(tenant_id: int, endpoint_id: int) -> Response:
    """Send an endpoint's failed deliveries again."""
    count = send_failed_again(session(), tenant_id, endpoint_id, actor=current_actor(), now=now())
    session().commit()
    enqueue(OUTGOING, send_due_webhooks)
    flash(f"Failed deliveries on their way again: {count}.", "info")
    return redirect(url_for("staff.dead_letters"), 303)


@blueprint.post("/dead-letters/jobs/<job_id>/requeue")
def requeue_job(job_id: str) -> Response:
    """Let a worker try a failed job again."""
    return _do(job_id, "job.requeued", "{} waits for a worker again.")


@blueprint.post("/dead-letters/jobs/<job_id>/drop")
def drop_job(job_id: str) -> Response:
    """Forget a failed job; what it was to do stands in the database, and the sweep finds it there."""
    return _do(job_id, "job.dropped", "{} is dropped.")


def _do(job_id: str, action: str, said: str) -> Response:
    act = failed_jobs.requeue_job if action == "job.requeued" else failed_jobs.drop_job
    try:
        call = act(job_id)
    except QueueDown as error:
        flash(f"{error}.", "error")
    else:
        audit(action, call, {"job": job_id})
        session().commit()
        flash(said.format(call), "info")
    return redirect(url_for("staff.dead_letters"), 303)
