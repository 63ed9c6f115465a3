"""Our texts and calls against Twilio's records, for staff: the days, and what differs with its SID."""

from __future__ import annotations

from datetime import date

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import InvalidInput
from dashboard.billing.telephony_check.results import find_check, list_checks, list_differences, need_past_day
from dashboard.jobs.metering import HOUR
from dashboard.jobs.queues import WEBHOOKS, enqueue
from dashboard.jobs.telephony_check import check_twilio_day
from dashboard.web.audit import audit
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session


@blueprint.get("/twilio")
def twilio_checks() -> str:
    """The days that were checked; `?before=` is the last day's date."""
    return _days()


@blueprint.post("/twilio")
def check_twilio() -> ResponseReturnValue:
    """Have one day checked now."""
    given = request.form.get("day", "").strip()
    try:
        day = need_past_day(given, now().date())
    except InvalidInput as error:
        return _days(given=given, error=error), 422
    audit("twilio_check.asked", day.isoformat())
    session().commit()
    if enqueue(WEBHOOKS, check_twilio_day, day.isoformat(), timeout=HOUR):
        flash(f"{day} is being checked. Large days take some minutes.", "info")
    else:
        flash("The queue is out of reach: nothing was started. Try again in a minute.", "error")
    return redirect(url_for("staff.twilio_checks"), 303)


@blueprint.get("/twilio/<day>")
def twilio_check(day: str) -> str:
    """One day and its differences; `?after=` is the last one's SID."""
    check = find_check(session(), _day(day, status=404))
    page = list_differences(session(), check.day, after=request.args.get("after", "").replace("\0", ""))
    return render_template("staff/twilio/show.html", check=check, page=page)


def _days(given: str = "", error: InvalidInput | None = None) -> str:
    before = request.args.get("before")
    page = list_checks(session(), before=_day(before, status=400) if before else None)
    return render_template("staff/twilio/index.html", page=page, given=given, error=error, today=now().date())


def _day(value: str, *, status: int) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        abort(status, "A day is written YYYY-MM-DD.")
