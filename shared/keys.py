"""
Every Redis key and channel, and nothing else knows their names.

Where there is more than one cell, each name has its cell's tag after `hr:`, and arq's before the job's id:
`hr:{c07}:gen:{id}`, `arq:job:{c07}{id}`. See `shared/cells.py`.

    hr:gen:{id}                       hash    a generation's record: state, lease, request, outcome
    hr:log:{id}                       stream  its event log; entry ids are positions, one field `e`
    hr:live:{id}                      channel what is appended to the log, as `<position> <event>` lines
    hr:cancel                         channel `<generation id> <reason>` of those that are to stop
    hr:queue:{queue}                  zset    arq's queue: job id (= generation id) by the moment it is due
    hr:turns:{class}:{queue}          zset    tenants that wait, by what they have had over their weight
    hr:users:{class}:{tenant}:{queue} zset    a tenant's users that wait, by what they have had
    hr:line:{class}:{tenant}:{owner}:{queue}  list  the jobs of one that wait, the next first
    hr:leased:{queue}                 zset    jobs that workers have, by the end of their lease
    hr:pace:{queue}                   hash    how long a turn takes while others wait
    hr:wake:{queue}                   list    capped; one token a job wakes one idle worker
    hr:conv:{owner}:{conversation}    hash    title, times, `active` generation
    hr:msgs:{owner}:{conversation}    list    its messages as JSON, bounded
    hr:aside:{owner}:{conversation}   hash    messages of branches not shown, by their first generation
    hr:gone:{kind}:{owner}:{conv…}            conv, msgs and aside (kind c, m, a) of what was deleted just now
    hr:next:{owner}:{conversation}    list    generations that wait for the active one (`on_busy: queue`)
    hr:convs:{owner}                  zset    an owner's conversations by last use; what falls out is deleted
    hr:idem:{owner}:{key}             string  `<generation id> <request digest>` of a submission
    hr:blob:{owner}:{hash}            hash    bytes, by their SHA-256: a picture or a text, and its type
    hr:blobholders:{owner}:{hash}     zset    what needs it (conversations), by when that ends
    hr:blobs:{owner}                  zset    `<hash> <size>` of an owner's blobs, by when one was last needed
    hr:share:{share}                  string  a read-only link as JSON: to whose conversation, and its seal
    hr:shares:{owner}:{conversation}  zset    a conversation's links, by when they end
    hr:room:{room}                    hash    a room: its rules, invitations, the reply under way
    hr:roomlog:{room}                 stream  what was said and streamed there, in one order for all; bounded
    hr:roommembers:{room}             zset    who is there, by when that ends unless it is renewed
    hr:roomonce:{room}:{message id}   string  that message has been said
    hr:hooks                          zset    ended generations that are to be told of, by their next try
    hr:upstream:{server}              string  why all workers leave a model server alone, while it is there
    hr:listed:{model}                 string  the names that a model's upstreams list, as JSON
    hr:audio:{id}                     stream  a speech's sound, a piece an entry; ids `<attempt>-<n>`
    hr:speaks                         string  what workers can speak, as JSON, while one that can is there
    hr:clock                          hash    what the broker's clock last said, and how far our time is ahead
    arq:job:{id}                      string  arq's own: a job's payload
    hr:apikey:{id}                    hash    an API key: whose it is, what it may, and seals of its secrets
    hr:apikeys                        zset    the ids of all of them, by when they were made
    hr:tenant:{tenant}                hash    its limits, its weight, and owners of before there were tenants
    hr:taken:{owner}                  string  which tenant and user have taken over an owner of before
    hr:secret                         string  what seals and signs, where `HEADRACE_SECRET` does not say
    hr:session:{id}                   string  a session of the page, as JSON
    hr:sessions:{owner}               zset    the ids of an owner's sessions, to end them all
    hr:signin:{state}                 string  what belongs to a sign-in at an issuer that is under way
    hr:use:{tenant}:{level}:{what}    several what a key, tenant or address has used: see `lua/admit.lua`
    hr:held:{tenant}                  hash    what replies that have not ended have reserved, by generation

`{owner}` is a hash of fixed length, so no two names can meet. Every key has a TTL from its birth on.
The scripts in `lua/` are given these names, so they stand here alone.
"""

RECORD = "hr:gen:"
LOG = "hr:log:"
LIVE = "hr:live:"
CANCEL = "hr:cancel"
CLOCK = "hr:clock"
QUEUE = "hr:queue:"
TURNS = "hr:turns:"
USERS = "hr:users:"
LINE = "hr:line:"
LEASED = "hr:leased:"
PACE = "hr:pace:"
WAKE = "hr:wake:"
CONVERSATION = "hr:conv:"
MESSAGES = "hr:msgs:"
ASIDE = "hr:aside:"
GONE = "hr:gone:"
NEXT = "hr:next:"
CONVERSATIONS = "hr:convs:"
IDEMPOTENCY = "hr:idem:"
BLOB = "hr:blob:"
BLOB_HOLDERS = "hr:blobholders:"
BLOBS = "hr:blobs:"
SHARE = "hr:share:"
SHARES = "hr:shares:"
ROOM = "hr:room:"
ROOM_LOG = "hr:roomlog:"
ROOM_MEMBERS = "hr:roommembers:"
ROOM_ONCE = "hr:roomonce:"
HOOKS = "hr:hooks"
UPSTREAM = "hr:upstream:"
LISTED = "hr:listed:"
AUDIO = "hr:audio:"
SPEAKS = "hr:speaks"
JOB = "arq:job:"
API_KEY = "hr:apikey:"
API_KEYS = "hr:apikeys"
TENANT = "hr:tenant:"
TAKEN = "hr:taken:"
SECRET = "hr:secret"  # noqa: S105
SESSION = "hr:session:"
SESSIONS = "hr:sessions:"
SIGNING_IN = "hr:signin:"
USE = "hr:use:"
HELD = "hr:held:"

#: Wake tokens kept when nobody takes them; a worker that finds none looks at the queue itself.
WAKE_CAP = 64


#: Of all of them, by what the scripts call them.
NAMES = {name: value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)}


def tagged(name: str, tag: str) -> str:
    """*name* as the cell of that tag has it."""
    if not tag:
        return name
    return f"hr:{tag}:{name.removeprefix('hr:')}" if name.startswith("hr:") else name + tag


def lua(*, celled: bool) -> str:
    """
    The same names as Lua locals, for the head of every script; `TAG` is the cell's tag. *celled* where there
    is more than one cell: the names are then of the one that `KEYS[1]` is in.
    """
    if not celled:
        return "local TAG = ''\n" + "".join(f"local {name} = '{value}'\n" for name, value in NAMES.items())
    lines = ["local TAG = string.match(KEYS[1], '{.-}')\n"]
    for name, value in NAMES.items():
        before, _, after = tagged(value, "\0").partition("\0")
        lines.append(f"local {name} = '{before}' .. TAG .. '{after}'\n")
    return "".join(lines)
