"""What Stripe and Twilio tell us: verified first, stored, answered, thought about later."""

from dashboard.web.webhooks import stripe_events, twilio_callbacks, twilio_inbound

BLUEPRINTS = (stripe_events.blueprint, twilio_callbacks.blueprint, twilio_inbound.blueprint)
