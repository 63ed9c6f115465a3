"""The domain: usage, periods, meters, invoices, plans. It knows no web framework, queue or vendor."""
