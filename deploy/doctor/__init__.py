"""`headrace doctor`: looks at all that a deployment needs, and says what to do."""
