"""Notices: once for each threshold and period, counted until they are read, and mailed to those who asked for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import need_email, need_name
from dashboard.billing.limits.alert_limits import parse_amount, parse_limits
from dashboard.billing.limits.alert_rules import BUDGET, Rule, list_rules, parse_rule, set_rules
from dashboard.billing.limits.limit_notices import tell_refused
from dashboard.billing.limits.limits import set_budget, set_cap
from dashboard.billing.limits.quotas import CapReached, reserve
from dashboard.billing.limits.usage_alerts import announce_thresholds
from dashboard.billing.notices.notices import NoticeKind, list_notices, mark_read, store_notice
from dashboard.billing.plans.plans import store_price
from dashboard.billing.tenants.accounts import add_member
from dashboard.billing.tenants.standing import find_person
from dashboard.models import CatalogPrice, Mail, Role, Tenant, User
from tests.factories import NOON, make_period, make_tenant, make_user, record


@pytest.fixture
def tenant(session: Session) -> Tenant:
    """A tenant on a plan with 100 texts included, the next at 10 cents."""
    store_price(
        session,
        CatalogPrice(
            price_id="price_texts",
            product_id="prod",
            plan="starter",
            interval="monthly",
            usage_type="SMS_SENT",
            currency="usd",
            unit_amount=None,
            tiers=[{"up_to": 100, "unit_amount_decimal": "0"}, {"up_to": None, "unit_amount_decimal": "10"}],
            active=True,
        ),
    )
    tenant = make_tenant(session)
    make_period(session, tenant)
    return tenant


def told(session: Session, tenant: Tenant) -> list[tuple[str, int | None]]:
    """(kind, percent or threshold) of every notice after a look, the oldest first."""
    announce_thresholds(session, tenant.id, NOON)
    return [
        (each.kind, each.data.get("percent") or each.data.get("threshold"))
        for each in reversed(list_notices(session, tenant.id))
    ]


def test_each_threshold_of_a_tenants_rule_is_told_once(session: Session, tenant: Tenant) -> None:
    rules = {"SMS_SENT": Rule((50, 120), (60,)), "CONTACT_CREATED": Rule((), (2,))}
    set_rules(session, tenant.id, rules, set_by="ann", now=NOON)
    record(session, tenant, quantity=55)
    assert told(session, tenant) == [("usage_threshold", 50)]
    record(session, tenant, quantity=70)
    record(session, tenant, usage_type="CONTACT_CREATED", quantity=2)
    expected = [("usage_threshold", 50), ("usage_units", 2), ("usage_threshold", 120), ("usage_units", 60)]
    assert told(session, tenant) == expected
    assert told(session, tenant) == expected


def test_a_rule_without_thresholds_is_silence(session: Session, tenant: Tenant) -> None:
    set_rules(session, tenant.id, {"SMS_SENT": Rule(())}, set_by="ann", now=NOON)
    record(session, tenant, quantity=1_000)
    assert told(session, tenant) == []


def test_a_budget_that_only_tells_stops_nothing(session: Session, tenant: Tenant) -> None:
    set_budget(session, tenant.id, 100, "usd", stops=False, set_by="ann", now=NOON)
    set_rules(session, tenant.id, {"SMS_SENT": Rule(())}, set_by="ann", now=NOON)
    record(session, tenant, quantity=108)
    assert told(session, tenant) == [("budget_threshold", 50), ("budget_threshold", 80)]
    reserve(session, tenant.id, "SMS_SENT", 1_000, key="k", now=NOON)
    record(session, tenant, quantity=2)
    assert told(session, tenant)[-1] == ("budget_threshold", 100)


def test_a_budget_that_stops_says_so_when_it_is_spent(session: Session, tenant: Tenant) -> None:
    set_budget(session, tenant.id, 100, "usd", set_by="ann", now=NOON)
    set_rules(session, tenant.id, {"SMS_SENT": Rule(()), BUDGET: Rule((100,))}, set_by="ann", now=NOON)
    record(session, tenant, quantity=110)
    assert told(session, tenant) == [("budget_stopped", None)]


def test_an_action_that_a_limit_refused_is_told_once_a_period(session: Session, tenant: Tenant) -> None:
    set_cap(session, tenant.id, "SMS_SENT", 5, set_by="ann", now=NOON)
    for key in ("a", "b"):
        with pytest.raises(CapReached) as stop:
            reserve(session, tenant.id, "SMS_SENT", 6, key=key, now=NOON)
        assert tell_refused(session, stop.value, tenant.id, "usd", NOON) is (key == "a")
    (notice,) = list_notices(session, tenant.id)
    assert (notice.kind, notice.data["cap"], notice.data["used"]) == ("cap_reached", 5, 0)
    record(session, tenant, quantity=5)
    assert [kind for kind, _ in told(session, tenant)] == ["cap_reached"]


def test_a_notice_that_is_undone_was_never_told(session: Session, tenant: Tenant) -> None:
    unit = session.begin_nested()
    assert store_notice(session, tenant.id, NoticeKind.SENDING_STOPPED, {}, key="k", now=NOON)
    unit.rollback()
    assert list_notices(session, tenant.id) == []
    assert session.scalars(select(Mail.id).where(Mail.tenant_id == tenant.id)).all() == []
    assert store_notice(session, tenant.id, NoticeKind.SENDING_STOPPED, {}, key="k", now=NOON)


def test_owners_and_admins_get_mail_and_the_billing_contact_of_payments(session: Session, tenant: Tenant) -> None:
    owner, admin, _viewer = (make_user(session, tenant, role) for role in Role)
    make_user(session, make_tenant(session))
    store_notice(session, tenant.id, NoticeKind.CAP_REACHED, {}, key="cap", now=NOON)
    store_notice(session, tenant.id, NoticeKind.PAYMENT_FAILED, {}, key="pay", now=NOON)
    mails = session.execute(select(Mail.key, Mail.recipient).where(Mail.tenant_id == tenant.id).order_by(Mail.id))
    assert [tuple(each) for each in mails] == [
        ("notice:cap", owner.email),
        ("notice:cap", admin.email),
        ("notice:pay", owner.email),
        ("notice:pay", admin.email),
        ("notice:pay", tenant.billing_email),
    ]


def unread_of(session: Session, tenant: Tenant, user: User) -> int:
    person = find_person(session, user.id, tenant.id)
    return person.standing.unread if person and person.standing else 0


def test_each_reader_has_a_mark_of_their_own_that_never_goes_back(session: Session, tenant: Tenant) -> None:
    ann, bo, stranger = make_user(session, tenant), make_user(session, tenant, Role.VIEWER), make_user(session)
    other = make_tenant(session)
    add_member(session, other, ann, Role.OWNER)
    for n in range(12):
        store_notice(session, tenant.id, NoticeKind.SENDING_STOPPED, {}, key=str(n), now=NOON + timedelta(hours=n))
    ids = [each.id for each in list_notices(session, tenant.id)]
    assert [unread_of(session, tenant, each) for each in (ann, bo, stranger)] == [10, 10, 0]
    mark_read(session, tenant.id, ann.id, ids[2])
    assert [unread_of(session, tenant, each) for each in (ann, bo)] == [2, 10]
    mark_read(session, tenant.id, ann.id, ids[5])
    assert unread_of(session, tenant, ann) == 2
    mark_read(session, tenant.id, ann.id, 2**70)
    store_notice(session, tenant.id, NoticeKind.SENDING_STOPPED, {}, key="next", now=NOON)
    assert unread_of(session, tenant, ann) == 1
    assert unread_of(session, other, ann) == 0


def test_rules_are_kept_and_only_what_differs_is_answered(session: Session, tenant: Tenant) -> None:
    assert list_rules(session, tenant.id)["SMS_SENT"] == Rule((80, 100))
    assert list_rules(session, tenant.id)[BUDGET] == Rule((50, 80, 100))
    given = {"SMS_SENT": Rule((80, 100)), BUDGET: Rule((90,))}
    assert set_rules(session, tenant.id, given, set_by="ann", now=NOON) == {BUDGET: (Rule((50, 80, 100)), Rule((90,)))}
    assert list_rules(session, tenant.id)[BUDGET] == Rule((90,))


@pytest.mark.parametrize(
    ("percents", "units", "rule"),
    [
        ("100, 50;80 80", "", Rule((50, 80, 100))),
        (" 50% 80 % ", "1000", Rule((50, 80), (1000,))),
        ("", "", Rule(())),
    ],
)
def test_a_rule_is_read_as_people_write_it(percents: str, units: str, rule: Rule) -> None:
    assert parse_rule("SMS_SENT", percents, units) == rule


@pytest.mark.parametrize(
    ("subject", "percents", "units", "field"),
    [
        ("SMS_SENT", "fifty", "", "SMS_SENT.percents"),
        ("SMS_SENT", "0", "", "SMS_SENT.percents"),
        ("SMS_SENT", "1001", "", "SMS_SENT.percents"),
        ("SMS_SENT", "-5", "", "SMS_SENT.percents"),
        ("SMS_SENT", "\u0665\u0660", "", "SMS_SENT.percents"),
        ("SMS_SENT", ",".join(map(str, range(1, 12))), "", "SMS_SENT.percents"),
        ("SMS_SENT", "", "9" * 17, "SMS_SENT.units"),
        ("STORAGE_USED_MB", "80", "5", "STORAGE_USED_MB.units"),
    ],
)
def test_a_rule_that_is_none_names_its_field(subject: str, percents: str, units: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_rule(subject, percents, units)
    assert refused.value.field == field


def test_an_amount_is_read_exactly_or_refused() -> None:
    assert [parse_amount(each, "usd") for each in ("50", "50.5", " 50.00 ", "0", "")] == [5000, 5050, 5000, 0, None]
    assert parse_amount("1500", "jpy") == 1500
    for wrong in ("50.001", "-1", "1e3", "NaN", "Infinity", "1,5", "5 0", "9" * 20, "\u0665", "$5"):
        with pytest.raises(InvalidInput, match=r"budget\.amount"):
            parse_amount(wrong, "usd")


def test_everything_wrong_in_a_form_is_named_at_once() -> None:
    limits, errors = parse_limits({"SMS_SENT.cap": "many", "CALL_MADE.percents": "x", "budget.amount": "cheap"})
    assert limits is None
    assert set(errors) == {"SMS_SENT.cap", "CALL_MADE.percents", "budget.amount"}


@pytest.mark.parametrize(
    "address",
    [
        *("a@b", "a b@c.example", "a@b.example\nBcc: x@y.example", "a\x00@b.example", "<a@b.example>", "a,b@c.example"),
        *('"a"@b.example', "a" * 250 + "@b.example", "a\u2028b@c.example"),
    ],
)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="must be an email address"):
        need_email(address, "email")


def test_a_name_is_one_line_in_any_script() -> None:
    name = "Müller \u0643\u0644\u0645\u0629 \U0001f600"
    assert need_name(f" {name} ", "name") == name
    for wrong in ("a\nb", "a\rb", "a\x00b", "a\u2028b", "a\x85b", " "):
        with pytest.raises(InvalidInput):
            need_name(wrong, "name")
