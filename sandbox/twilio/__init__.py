"""Twilio's 2010 API, as far as texts and calls go, and the webhooks of numbers.

What a text or call comes to is in the last digits of the number it goes to (`outcomes.py`).
"""
