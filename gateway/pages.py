"""
The chat page, as `gateway/web` builds it, for everybody: what it shows, it asks the API for.

Files under `assets/` are named after their content and never change; all others are asked for anew each
time. Compressed siblings (`.br`, `.gz`) are sent to those who take them.
"""

from pathlib import Path

from aiohttp import web

from gateway.edge.state import OF_PAGE
from shared.errors import NotFound

#: Where the build puts the page.
BUILT = Path(__file__).parent / "web" / "dist" / "page"

#: Everything a page may do is listed. Styles and scripts are files; what scripts set on an element is no
#: inline style to a browser. Images come from elsewhere only once a reader has clicked on them, which no
#: policy can say: the page holds that.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob: https:",
        # What is read aloud.
        "media-src blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        # Diagrams are drawn there, by what has no origin.
        "frame-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_FILE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    # Also on what is sent as it is: a cache must not give it to those who take less.
    "Vary": "Accept-Encoding",
}
_PAGE_HEADERS = {
    **_FILE_HEADERS,
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: What somebody shares by a link is for those who have it.
_SHARED_HEADERS = {**_PAGE_HEADERS, "X-Robots-Tag": "noindex, nofollow"}
#: A frame that draws from what a model says: without an origin, a network, or anything but its own script.
_DIAGRAM_HEADERS = {
    **_FILE_HEADERS,
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'unsafe-inline'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            "sandbox allow-scripts",
        )
    ),
}
_ASSET_HEADERS = {**_FILE_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
#: Beside those that `mimetypes` knows on every machine.
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}

_NOT_BUILT = """\
The chat page is not built. In a checkout: make web
The API works without it: /docs
"""


class Pages:
    """The files of one build, which may also come, go and change while the gateway runs."""

    def __init__(self, built: Path = BUILT) -> None:
        self._built = built

    @property
    def routes(self) -> list[web.RouteDef]:
        """Each answers GET and HEAD, without a key."""
        name = "[A-Za-z0-9_-][A-Za-z0-9_.-]*"
        return [
            web.get("/", self.page),
            web.get("/c/{conversation_id:[^/]+}", self.page),
            web.get("/s/{share_id:[^/]+}", self.page),
            web.get("/diagram.html", self.diagram),
            web.get("/diagram.js", self.diagram_script),
            web.get("/r/{room_id:[^/]+}", self.page),
            web.get(f"/assets/{{name:{name}}}", self.asset),
            web.get(f"/{{name:{name}[.](?:svg|png|ico|webmanifest|txt|js)}}", self.file),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page, which finds out from its address what to show."""
        index = self._built / "index.html"
        if not index.is_file():
            return _of_page(web.Response(status=404, text=_NOT_BUILT, headers=_FILE_HEADERS))
        return _sent(index, _SHARED_HEADERS if request.path.startswith("/s/") else _PAGE_HEADERS)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A part of the page that never changes."""
        return _sent(_existing(self._built / "assets" / request.match_info["name"]), _ASSET_HEADERS)

    async def diagram(self, request: web.Request) -> web.StreamResponse:
        """The frame in which diagrams are drawn."""
        return _sent(_existing(self._built / "diagram.html"), _DIAGRAM_HEADERS)

    async def diagram_script(self, request: web.Request) -> web.StreamResponse:
        """What draws them; its frame is of no origin."""
        headers = {
            **_FILE_HEADERS,
            "Cache-Control": "no-cache",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return _sent(_existing(self._built / "diagram.js"), headers)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """What is asked for by its name: icons, the manifest, what runs before the page."""
        headers = {**_FILE_HEADERS, "Cache-Control": "no-cache"}
        return _sent(_existing(self._built / request.match_info["name"]), headers)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise NotFound("The page has no such file; it may have been built anew since.")
    return path


def _sent(path: Path, headers: dict[str, str]) -> web.StreamResponse:
    kind = _TYPES.get(path.suffix)
    return _of_page(web.FileResponse(path, headers={**headers, "Content-Type": kind} if kind else headers))


def _of_page(answer: web.StreamResponse) -> web.StreamResponse:
    answer[OF_PAGE] = True
    return answer
