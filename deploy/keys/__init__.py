"""`headrace keys`, `tenants` and `usage`."""
