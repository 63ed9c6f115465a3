"""Logging in and out, and where a person goes from there."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, flash, make_response, redirect, render_template, request, url_for
from flask import session as cookie
from flask_login import LoginManager, current_user, login_required, login_user, logout_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import HiddenField, PasswordField, StringField, SubmitField
from wtforms.validators import DataRequired, Length

from dashboard.billing.tenants.accounts import authenticate
from dashboard.billing.tenants.standing import Person, find_person
from dashboard.web.auth.account import Account
from dashboard.web.auth.throttle import LoginThrottle
from dashboard.wiring import session, wiring

blueprint = Blueprint("auth", __name__)


class LoginForm(FlaskForm):
    """Email and password."""

    email = StringField("Email", validators=[DataRequired("Enter your email."), Length(max=254)])
    password = PasswordField("Password", validators=[DataRequired("Enter your password."), Length(max=1_000)])
    next = HiddenField()
    submit = SubmitField("Log in")


def register(app: Flask) -> None:
    """Tell Flask-Login who a session belongs to, and where to send strangers."""
    manager = LoginManager()
    manager.init_app(app)

    @manager.user_loader
    def load(user_id: str) -> Account | None:
        # Together with how it stands with the tenant of the address: one query for what every page of it asks.
        tenant_id = (request.view_args or {}).get("tenant_id")
        person = find_person(session(), int(user_id), tenant_id) if user_id.isdigit() else None
        return Account(person) if person else None

    @manager.unauthorized_handler
    def unauthorized() -> BaseResponse:
        target = url_for("auth.login", next=request.full_path.rstrip("?") if request.method == "GET" else None)
        if request.headers.get("HX-Request"):
            response = make_response("", 401)
            response.headers["HX-Redirect"] = target
            return response
        return redirect(target, 303)


@blueprint.get("/")
@login_required
def home() -> BaseResponse:
    """A member's own overview; staff start with all tenants."""
    if current_user.is_staff:
        return redirect(url_for("staff.home"), 303)
    return _own("tenant.overview")


@blueprint.get("/usage", endpoint="own_usage", defaults={"page": "usage"})
@blueprint.get("/invoices", endpoint="own_invoices", defaults={"page": "invoices"})
@blueprint.get("/plans", endpoint="own_plans", defaults={"page": "plans"})
@login_required
def own_page(page: str) -> BaseResponse:
    """Short addresses lead to the page of the reader's first tenant."""
    return _own(f"tenant.{page}")


def _own(endpoint: str) -> BaseResponse:
    tenants = current_user.tenants
    if not tenants and current_user.is_staff:
        return redirect(url_for("staff.home"), 303)
    if not tenants:
        return Response(render_template("auth/no_tenant.html"), 200)
    query = f"?{request.query_string.decode()}" if request.query_string else ""
    return redirect(url_for(endpoint, tenant_id=tenants[0].id) + query, 303)


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> BaseResponse | str | tuple[str, int]:
    """The login page."""
    if current_user.is_authenticated:
        return redirect(url_for("auth.home"), 303)
    form = LoginForm(next=request.args.get("next", ""))
    if not form.validate_on_submit():
        return render_template("auth/login.html", form=form), 422 if request.method == "POST" else 200
    throttle = LoginThrottle(wiring().redis, request.remote_addr or "", form.email.data or "")
    if throttle.is_closed():
        flash("Too many attempts. Wait a few minutes, then try again.", "error")
        return render_template("auth/login.html", form=form), 429
    user = authenticate(session(), form.email.data or "", form.password.data or "")
    if user is None:
        throttle.note_failure()
        form.password.errors = ["Email and password do not match."]
        return render_template("auth/login.html", form=form), 422
    throttle.clear()
    cookie.clear()
    login_user(Account(Person(user)))
    return redirect(_safe_next(form.next.data) or url_for("auth.home"), 303)


def _safe_next(target: str | None) -> str | None:
    """Only a path of our own: `//host` and `/\\host` lead elsewhere."""
    if target and target.startswith("/") and target[1:2] not in {"/", "\\"} and "\n" not in target:
        return target
    return None


@blueprint.post("/logout")
def logout() -> BaseResponse:
    """Forget the session."""
    logout_user()
    cookie.clear()
    return redirect(url_for("auth.login"), 303)
