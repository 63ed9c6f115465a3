"""Tables only. Importing this package makes every one of them known."""

from dashboard.models.account import ApiKey, Membership, Role, Tenant, User
from dashboard.models.audit import AuditEntry
from dashboard.models.billing_state import Access, BillingState
from dashboard.models.call import Call, Direction
from dashboard.models.catalog import CatalogMeter, CatalogPrice, PriceMapping
from dashboard.models.checkout import BillingRequest, CheckoutSession, CheckoutState, SubscriptionOutlook
from dashboard.models.credit_note import CreditNote, CreditNoteLine
from dashboard.models.invitation import Invitation
from dashboard.models.invoice import Invoice, InvoiceLine
from dashboard.models.invoice_payment import InvoicePayment, PaymentAttempt, Refund
from dashboard.models.meter_event import MeterEvent, MeterEventKind, MeterEventState
from dashboard.models.notice import AlertRule, Mail, MailState, Notice
from dashboard.models.outgoing import OutgoingState
from dashboard.models.outgoing_webhook import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
)
from dashboard.models.phone_number import PhoneNumber, UnassignedCallback
from dashboard.models.proposal import BillingProposal, ProposalKind, ProposalState
from dashboard.models.quota import UsageBudget, UsageCap, UsageReservation
from dashboard.models.reading import StorageReading, UsageAlertLook
from dashboard.models.reconciliation import CheckState, FindingState, ReconciliationCheck, ReconciliationFinding
from dashboard.models.schedule_tick import ScheduleTick
from dashboard.models.staff import (
    StaffCount,
    StaffPlanCount,
    StaffUsageTotal,
    StaffView,
    TenantPeriodEvents,
    TenantUsageTotal,
)
from dashboard.models.stripe_event import MeterErrorReport, StripeCatchUp, StripeEvent, StripeEventState
from dashboard.models.subscription import BillingPeriod, Subscription
from dashboard.models.sync_run import SyncRun, SyncState
from dashboard.models.telephony_check import TelephonyCheck, TelephonyDifference
from dashboard.models.text_message import TextMessage
from dashboard.models.usage import UsageDay, UsageEvent, UsageRollup
from dashboard.models.usage_import import ImportState, UsageImport, UsageImportError

__all__ = [
    "Access",
    "AlertRule",
    "ApiKey",
    "AuditEntry",
    "BillingPeriod",
    "BillingProposal",
    "BillingRequest",
    "BillingState",
    "Call",
    "CatalogMeter",
    "CatalogPrice",
    "CheckState",
    "CheckoutSession",
    "CheckoutState",
    "CreditNote",
    "CreditNoteLine",
    "DeliveryState",
    "Direction",
    "FindingState",
    "ImportState",
    "Invitation",
    "Invoice",
    "InvoiceLine",
    "InvoicePayment",
    "Mail",
    "MailState",
    "Membership",
    "MeterErrorReport",
    "MeterEvent",
    "MeterEventKind",
    "MeterEventState",
    "Notice",
    "OutgoingState",
    "PaymentAttempt",
    "PhoneNumber",
    "PriceMapping",
    "ProposalKind",
    "ProposalState",
    "ReconciliationCheck",
    "ReconciliationFinding",
    "Refund",
    "Role",
    "ScheduleTick",
    "StaffCount",
    "StaffPlanCount",
    "StaffUsageTotal",
    "StaffView",
    "StorageReading",
    "StripeCatchUp",
    "StripeEvent",
    "StripeEventState",
    "Subscription",
    "SubscriptionOutlook",
    "SyncRun",
    "SyncState",
    "TelephonyCheck",
    "TelephonyDifference",
    "Tenant",
    "TenantPeriodEvents",
    "TenantUsageTotal",
    "TextMessage",
    "UnassignedCallback",
    "UsageAlertLook",
    "UsageBudget",
    "UsageCap",
    "UsageDay",
    "UsageEvent",
    "UsageImport",
    "UsageImportError",
    "UsageReservation",
    "UsageRollup",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
]
