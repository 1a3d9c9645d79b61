"""`headrace top`: what gateways and workers do, live in a terminal."""
