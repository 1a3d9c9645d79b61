"""
Text that a client keeps for this service and sends back: summaries, and reasoning. Opaque, not secret.
"""

import base64

from shared.errors import InvalidRequest

#: Tells what was sealed here from what another service has sealed.
_MARK = "hr1."


def seal(text: str) -> str:
    """*text* as a client keeps it."""
    return _MARK + base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode()


def unseal(content: str, field: str) -> str:
    """What `seal` was given. Raises `InvalidRequest` for what was not sealed here."""
    try:
        if not content.startswith(_MARK):
            raise ValueError
        raw = base64.b64decode(content.removeprefix(_MARK), b"-_", validate=True)
        return raw.decode("utf-8", "surrogatepass")
    except ValueError as error:
        raise InvalidRequest("This was not made here.", field=field) from error
