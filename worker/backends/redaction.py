"""
What an upstream says, without what is nobody's business: for clients neither keys nor where anything is, for
the operator's log no keys. All of it is told by its shape, because no list of formats is ever complete.
"""

import ipaddress
import re

KEY, ADDRESS, PATH, PERSON = "[redacted]", "[address]", "[path]", "[e-mail]"

_I = re.IGNORECASE
_KEYS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
    # JSON Web Tokens, whole or cut short.
    re.compile(r"\beyJ[\w-]{4,}(?:\.[\w-]*){0,4}"),
    re.compile(r"(?<=\bbearer\s)\S+|(?<=\bbasic\s)[\w+/=]{8,}", _I),
    # Prefixes that say by themselves what they are.
    re.compile(
        r"\b(?:sk|pk|rk|ak|gsk|xai|hf|nvapi|pplx|r8|tgp|fw|csk|hr|gh[opsu]|github_pat|glpat|xox[abeprs]|"
        r"dapi|AKIA|ASIA|AIza|ya29\.)[-_]?[\w*.+/=-]*[\d*_-][\w*.+/=-]{5,}"
    ),
    # A key that was masked in its middle already.
    re.compile(r"(?<![\w*])[\w-]{2,}\*{3,}[\w*-]*|\*{4,}[\w-]+"),
)
#: `api_key=…`, `"password": "…"`, `API key provided: …`
_NAMED = re.compile(
    r"(?P<name>(?:api|access|secret|private|auth|subscription|account|master|virtual)[ _-]?(?:key|token)|"
    r"\bkey|\btoken|secret|credentials?|x-[\w-]*key|signature|\bsig)"
    r"(?P<between>[\"']?(?:\s+(?:provided|given|received|is|was|used|passed))*\s*(?:[:=]|\s(?=[\"'`]))\s*[\"'`]?)"
    r"(?P<value>[^\s\"'`,;&)\]}]{6,})",
    _I,
)
_PASSWORD = re.compile(r"((?:password|passwd|pwd|passphrase)[\"']?\s*[:=]\s*[\"'`]?)[^\s\"'`,;&]+", _I)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")
#: What may be a key by its length; `_random` says whether it is.
_LONG = re.compile(r"[A-Za-z0-9][\w+-]{15,}={0,2}")

#: The same in base64, whose slashes make it look like a path: with small and large letters and digits.
_BASE64 = re.compile(
    r"(?<![\w+/.-])(?=[A-Za-z+/]*\d)(?=[^a-z\s]*[a-z])(?=[^A-Z\s]*[A-Z])[A-Za-z0-9+][A-Za-z0-9+/]{31,}={0,2}(?![\w+/.-])"
)

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://(?:[^\s/\"'`]*\[[\w:.%]+\])?[^\s\"'`<>)\]}]*", _I)
#: Names of things in a cloud: `arn:aws:…`, `//aiplatform.googleapis.com/…`, `projects/…/locations/…`.
_RESOURCE = re.compile(
    r"\barn:[\w-]*:[^\s\"'`<>,;)\]}]+|(?<![\w:/])//[\w.-]+(?:/[^\s\"'`<>,;)\]}]*)?|"
    r"\b(?:projects|subscriptions|resourceGroups|organizations|tenants)/[\w.:-]+(?:/[\w.:@-]+)+",
    _I,
)
_MAC = re.compile(r"(?<![\w:])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:])", _I)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*", _I)
_IPV6 = re.compile(r"(?<![\w:.])\[?[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*(?:%\w+)?\]?(?::\d{1,5})?(?!\w|:\w)", _I)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.]\d)")
_TOP = (
    "internal|local|localdomain|localhost|lan|corp|intra|intranet|home|private|svc|cluster|arpa|test|example|invalid|"
    "consul|com|net|org|io|ai|dev|cloud|app|co|cn|de|uk|eu|us|jp|fr|ru|in|kr|ch|nl|se|info|tech|xyz|gov|edu|run|sh"
)
_NAME = re.compile(
    rf"(?<![\w./@-])(?:[a-z0-9_-]+\.)+(?:(?:{_TOP})|(?:internal|intra|intranet|corp|lan|svc)(?:\.[a-z0-9-]+)+)\.?"
    r"(?::\d{1,5})?(?![\w-]|\.\w)",
    _I,
)
_HOST_PORT = re.compile(r"(?<![\w./@-])(?P<host>[a-z][a-z0-9.-]*):\d{2,5}(?![\w:.]\w|\w)", _I)
_HOST = re.compile(
    r"(?P<what>\b(?:host(?:name)?|node|pod|container|machine|server)\s*[:=]?\s*[\"'`]?)"
    r"(?P<host>[a-z](?=[\w.-]*[\d-])[\w.-]*\w)",
    _I,
)
_LOCALHOST = re.compile(r"\blocalhost\b", _I)
#: Words before a colon and a number that are no host.
_NO_HOST = re.compile(
    r"(?:.*(?:tokens?|length|limit|count|size|max|min|total|used|requested|available|usage|number))|"
    r"code|status|error|errno|line|col|column|char|position|pos|offset|index|row|at|id|http|retry|after|version|"
    r"seed|time|seconds?|ms|requests?|got|is|was|to|of",
    _I,
)
_PATHS = (
    re.compile(r"(?<![\w\\])[A-Za-z]:\\[^\s\"'`<>|,;()]+|\\\\[\w.?-]+\\[^\s\"'`<>|,;()]+"),
    re.compile(r"[\w.~-]*(?:%(?:2F|5C)[\w.~-]+){2,}", _I),
    re.compile(r"(?<![\w/.~<])(?:~\w*|\.{1,2})?/(?:[\w.@+%~=-]*[A-Za-z_][\w.@+%~=-]*/?)(?:[\w.@+%~=-]+/?)*"),
    re.compile(
        r"(?<![\w/])(?:[\w.@+-]+/)+[\w.@+-]+\."
        r"(?:py|pyc|so|cu|cc?|cpp|hp?p?|rs|go|js|ts|json|ya?ml|toml|ini|cfg|conf|gguf|safetensors|bin|pt|log|sock|"
        r"pem|key|crt|env|sh|txt)\b"
    ),
)


def for_clients(text: str) -> str:
    """*text* without keys, addresses, paths and people."""
    # URLs first: keys in them go with them, and what is left of one would look like a path.
    text = _URL.sub(ADDRESS, text)
    text = _RESOURCE.sub(ADDRESS, text)
    text = for_log(text)
    text = _EMAIL.sub(PERSON, text)
    for pattern in _PATHS:
        text = pattern.sub(PATH, text)
    text = _MAC.sub(ADDRESS, text)
    text = _IPV6.sub(_address, text)
    text = _IPV4.sub(ADDRESS, text)
    text = _NAME.sub(ADDRESS, text)
    text = _HOST_PORT.sub(_host, text)
    text = _HOST.sub(rf"\g<what>{ADDRESS}", text)
    return _LOCALHOST.sub(ADDRESS, text)


def for_log(text: str) -> str:
    """*text* without keys."""
    text = _CREDENTIALS.sub(KEY, text)
    text = _PASSWORD.sub(rf"\1{KEY}", text)
    for pattern in _KEYS:
        text = pattern.sub(KEY, text)
    text = _NAMED.sub(_named, text)
    text = _BASE64.sub(KEY, text)
    return _LONG.sub(lambda found: KEY if _random(found[0]) else found[0], text)


def _named(found: re.Match[str]) -> str:
    value = found["value"]
    # "Unexpected token: response_format" and "token: 4096" name no key.
    secret = len(value) >= 16 or (not value.isdigit() and any(char.isdigit() for char in value))
    return found["name"] + found["between"] + (KEY if secret and value != KEY else value)


def _random(word: str) -> bool:
    """Whether *word* is no word: models are called `claude-3-5-sonnet-20241022`, keys are not."""
    hexadecimal = word.replace("-", "")
    if len(hexadecimal) >= 32 and all(char in "0123456789abcdefABCDEF" for char in hexadecimal):
        return True
    return any(
        len(part) >= 16 and any(c.isdigit() for c in part) and any(c.isalpha() for c in part)
        for part in re.split(r"[-_+=]", word)
    )


def _address(found: re.Match[str]) -> str:
    literal = re.sub(r"^\[|\](?::\d+)?$", "", found[0]).partition("%")[0]
    try:
        ipaddress.IPv6Address(literal)
    except ValueError:
        return found[0]
    return ADDRESS


def _host(found: re.Match[str]) -> str:
    return found[0] if _NO_HOST.fullmatch(found["host"]) else ADDRESS
