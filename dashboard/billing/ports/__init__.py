"""What the domain needs of a billing provider and a telephony provider, as protocols and plain facts."""
