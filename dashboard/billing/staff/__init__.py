"""What staff sees over all tenants, and of one."""
