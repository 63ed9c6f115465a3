"""Our texts and calls held against Twilio's own records, day by day (UTC)."""
