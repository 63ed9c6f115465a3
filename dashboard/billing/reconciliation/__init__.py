"""Ledger = meter event summaries = invoice lines: compared by tenant, meter and billing period, repaired once.

`facts` reads what we hold, `comparison` and `hours` compare without reading anything, `findings` keeps what was found,
`repairs` repairs it, `reports` is what pages show. `checking` puts them together.
"""
