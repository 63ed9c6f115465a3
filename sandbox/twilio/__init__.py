"""Twilio's 2010 API, as far as texts go."""
