"""Who may use which route: what `test_access_matrix` holds every route against.

A new route is put in here with it. A page of a tenant names the roles that get in; the other tables say it for all that
stand in them.
"""

from __future__ import annotations

# Pages of a tenant: who of its own people gets in. Staff get in to read through a view, and nobody else does.
READERS = ("viewer", "admin", "owner")
BUYERS = ("admin", "owner")
AUDITORS = (*BUYERS, "staff")
TENANT_PAGES: dict[str, tuple[str, ...]] = {
    "GET tenant.api_keys": BUYERS,
    "POST tenant.create_key": BUYERS,
    "GET tenant.confirm_revoke": BUYERS,
    "POST tenant.revoke_key": BUYERS,
    "GET tenant.invoice": READERS,
    "GET tenant.invoices": READERS,
    "GET tenant.invoice_line": READERS,
    "GET tenant.invoice_line_day": READERS,
    "GET tenant.invoice_line_actions": READERS,
    "GET tenant.upcoming_invoice": READERS,
    "GET tenant.upcoming_invoice_at_stripe": READERS,
    "GET tenant.late_usage": READERS,
    "GET tenant.overview": READERS,
    "GET tenant.checked_invoice": READERS,
    "GET tenant.syncs": READERS,
    "GET tenant.sync": READERS,
    "POST tenant.create_sync": BUYERS,
    "POST tenant.cancel_sync": BUYERS,
    "GET tenant.usage_actions": READERS,
    "GET tenant.usage": READERS,
    "GET tenant.settings": READERS,
    "POST tenant.update_settings": BUYERS,
    "GET tenant.alerts": READERS,
    "POST tenant.update_alerts": BUYERS,
    "GET tenant.audit": AUDITORS,
    "GET tenant.members": READERS,
    "POST tenant.invite_member": BUYERS,
    "POST tenant.resend_invitation": BUYERS,
    "POST tenant.withdraw_invitation": BUYERS,
    "POST tenant.update_member": BUYERS,
    "GET tenant.confirm_remove_member": BUYERS,
    "POST tenant.remove_member": BUYERS,
    "GET tenant.notices": READERS,
    "POST tenant.mark_notices_read": READERS,
    "POST tenant.update_notice_mail": READERS,
    "GET tenant.payment_methods": READERS,
    "POST tenant.make_default": BUYERS,
    "POST tenant.remove_method": BUYERS,
    "POST tenant.portal": BUYERS,
    "GET tenant.plans": READERS,
    "POST tenant.checkout": BUYERS,
    "GET tenant.checkout_return": READERS,
    "GET tenant.preview_plan": BUYERS,
    "POST tenant.confirm_change": BUYERS,
    "POST tenant.keep_plan": BUYERS,
    "GET tenant.subscription": READERS,
    "GET tenant.ask_cancel": BUYERS,
    "POST tenant.cancel_subscription": BUYERS,
    "GET tenant.ask_pause": BUYERS,
    "POST tenant.pause_subscription": BUYERS,
    "POST tenant.resume_subscription": BUYERS,
    "GET tenant.webhooks": READERS,
    "GET tenant.webhook": READERS,
    "GET tenant.webhook_delivery": READERS,
    "POST tenant.create_webhook": BUYERS,
    "POST tenant.update_webhook": BUYERS,
    "POST tenant.enable_webhook": BUYERS,
    "POST tenant.test_webhook": BUYERS,
    "POST tenant.replay_webhooks": BUYERS,
    "POST tenant.replay_webhook": BUYERS,
    "POST tenant.delete_webhook": BUYERS,
}
# Pages of staff: nobody else learns that they exist.
STAFF_PAGES = {
    "GET staff.home",
    "GET staff.tenants",
    "GET staff.tenant",
    "GET staff.ask_view",
    "POST staff.begin_view",
    "POST staff.end_view",
    "GET staff.audit",
    "GET staff.dead_letters",
    "POST staff.replay_endpoint",
    "POST staff.requeue_job",
    "POST staff.drop_job",
    "GET staff.queues",
    "GET staff.syncs",
    "GET staff.sync",
    "POST staff.create_sync",
    "GET staff.subscriptions",
    "GET staff.prices",
    "POST staff.map_price",
    "GET staff.webhooks",
    "GET staff.webhook",
    "POST staff.replay_webhook",
    "POST staff.replay_webhooks",
    "GET staff.meter_errors",
    "POST staff.resend_meter_event",
    "POST staff.resend_meter_events",
    "POST staff.confirm_meter_event",
    "GET staff.proposals",
    "GET staff.reconciliation",
    "GET staff.reconciled_period",
    "POST staff.start_reconciliation",
    "POST staff.compare_again",
    "POST staff.repair_difference",
    "POST staff.cancel_sync",
    "GET staff.twilio_checks",
    "GET staff.twilio_check",
    "POST staff.check_twilio",
    "POST staff.accept_proposal",
    "POST staff.dismiss_proposal",
}
# For whoever has logged in: they lead to the reader's own pages.
MEMBERS_PAGES = {"GET auth.home", "GET auth.own_usage", "GET auth.own_invoices", "GET auth.own_plans"}
# For everybody.
PUBLIC = {
    "GET static",
    "GET auth.login",
    "POST auth.login",
    "POST auth.logout",
    "GET openapi.spec",
    "GET reference.index",
}
# For whoever was sent the address by mail; to anybody else there is nothing.
INVITED = {"GET invitations.show", "POST invitations.accept"}
# Called by Stripe and Twilio: only with their signature.
SIGNED = {
    "POST stripe_webhooks.create",
    "POST twilio_inbound.sms",
    "POST twilio_inbound.voice",
    "POST twilio_inbound.voice_status",
    "POST twilio_webhooks.call_status",
    "POST twilio_webhooks.status",
}
# With a key of the tenant and the route's scope (which scope, tests/web/test_openapi.py compares with the document).
KEYED = {
    "billing_api",
    "billing_invoices_api",
    "billing_payment_methods_api",
    "calls_api",
    "limits_api",
    "reversals_api",
    "syncs_api",
    "texts_api",
    "usage_api",
    "usage_reports_api",
    "webhook_endpoints_api",
}
