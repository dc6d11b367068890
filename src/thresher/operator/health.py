"""/healthz, /readyz and /metrics, for the kubelet and Prometheus."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

REQUEST_S = 10.0
"""A client that has not asked by then is cut off."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered.

    Attributes:
        body: the text.
        status: of HTTP.
        kind: the content type.
    """

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    kind: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Page]]


async def serve(pages: Pages, host: str, port: int) -> asyncio.Server:
    """Serve ``pages`` by path; the caller closes the server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                line = await reader.readline()
                while (await reader.readline()).strip():
                    pass  # no header changes the answer
                _write(writer, _page(pages, line))
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # nobody is there to be told
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)


def _page(pages: Pages, line: bytes) -> Page:
    words = line.decode("latin-1").split()
    if len(words) != 3 or words[0] not in ("GET", "HEAD"):  # noqa: PLR2004 -- method, path, version
        return Page(b"only GET is answered\n", HTTPStatus.METHOD_NOT_ALLOWED)
    make = pages.get(words[1].partition("?")[0])
    return make() if make is not None else Page(b"there is nothing here\n", HTTPStatus.NOT_FOUND)


def _write(writer: asyncio.StreamWriter, page: Page) -> None:
    head = (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\nContent-Type: {page.kind}\r\n"
        f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + page.body)
