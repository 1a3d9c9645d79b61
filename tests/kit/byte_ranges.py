"""What a `Range` gives of a body that is all there: RFC 9110, sections 13.1.5, 14.1.2, 14.4 and 15.5.17."""

from aiohttp import ClientSession


async def check_ranges(session: ClientSession, url: str, whole: bytes) -> None:
    """At *url*, whose body of more than twenty bytes is *whole*."""
    size, huge = len(whole), "9" * 30
    async with session.get(url) as response:
        etag = response.headers["ETag"]
        assert response.headers["Accept-Ranges"] == "bytes"
        assert await response.read() == whole
    for asked, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=4-9", 4, 9),
        ("bytes=4-", 4, size - 1),
        ("BYTES=4-", 4, size - 1),
        (f"bytes=4-{huge}", 4, size - 1),
        (f"bytes={size - 1}-", size - 1, size - 1),
        ("bytes=-5", size - 5, size - 1),
        (f"bytes=-{huge}", 0, size - 1),
        (f"bytes=2-3, {size}-", 2, 3),
        (f"bytes=,{size}-,  -1 ,", size - 1, size - 1),
    ):
        async with session.get(url, headers={"Range": asked, "If-Range": etag}) as response:
            assert response.status == 206, asked
            assert response.headers["Content-Range"] == f"bytes {first}-{last}/{size}", asked
            assert response.headers["Content-Length"] == str(last - first + 1), asked
            assert response.headers["ETag"] == etag
            assert await response.read() == whole[first : last + 1], asked
    for asked in (
        f"bytes={size}-",
        f"bytes={size}-{huge}",
        f"bytes={huge}-",
        "bytes=-0",
        f"bytes={size}-,-0",
    ):
        async with session.get(url, headers={"Range": asked}) as response:
            assert response.status == 416, asked
            assert response.headers["Content-Range"] == f"bytes */{size}", asked
            assert (await response.json())["error"]["code"] == "range_not_satisfiable"
    passed_over = [
        *("", "bytes", "bytes=", "bytes=,", "bytes=x", "bytes=-", "bytes=--1", "bytes=1", "bytes=9-2"),
        *("bytes=0x1-", "bytes=1 -2", "bytes=+1-", "bytes=0-1,x", "lines=1-", "bytes=0-1,5-6", "bytes=0-,-1"),
    ]
    headers = [{"Range": asked} for asked in passed_over]
    dated = "Thu, 26 Nov 2026 15:00:00 GMT"
    headers += [{"Range": "bytes=4-", "If-Range": said} for said in ('"other"', f"W/{etag}", dated, "")]
    headers += [{"If-Range": etag}]
    for each in headers:
        async with session.get(url, headers=each) as response:
            assert (response.status, response.headers.get("Content-Range")) == (200, None), each
            assert await response.read() == whole, each
    async with session.head(url, headers={"Range": "bytes=4-9"}) as response:
        assert response.status == 200, "GET alone has ranges"
