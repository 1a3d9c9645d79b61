"""
How long is kept what belongs to no conversation. Every key has a TTL; what is to stay has a very long one.
"""

_DAY_S = 24 * 3600

#: What stays until somebody takes it away.
FOREVER_S = 3650 * _DAY_S
#: What was revoked or has expired is still listed this long.
LISTED_S = 30 * _DAY_S
