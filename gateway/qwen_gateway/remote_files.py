"""Files that requests name by URL: fetched from hosts that the settings allow, over HTTPS, from public addresses only.

A URL of a caller makes the gateway open connections in its own network. So every hop, redirects included, passes the
same checks, and what a host resolves to is checked by the connection itself (`public_addresses`).
"""

import asyncio
import re
import ssl
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore2 as httpcore

from qwen_gateway.errors import GatewayError, bad_request
from qwen_gateway.public_addresses import PublicNetwork
from qwen_gateway.settings import GatewaySettings

HTTPS_PORT = 443
MAX_URL_CHARS = 8192
MAX_REDIRECTS = 3
MAX_FILES = 16  # of one request
REDIRECTS = (301, 302, 303, 307, 308)
URL_CHARS = re.compile(r"[!#-;=?-Z_a-z~\[\]]+")  # printable ASCII without white space, quotes and backslashes
# Names only; one whose last part is a number is read as an address: 127.1, 2130706433, 0x7f.1, 0177.0.0.1.
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"(?:{LABEL}\.)*(?!\d+$|0x[0-9a-f]*$){LABEL}")
MAX_HOST_CHARS = 253
HEADERS = [("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", "qwen-gateway")]


class RemoteFiles:
    """Fetches files by URL.

    data = await remote_files.fetch("https://media.example.org/a.wav", "audio_url")
    """

    def __init__(
        self, settings: GatewaySettings, network: PublicNetwork | None = None, trusted: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._network = network or PublicNetwork()
        self._trusted = trusted or ssl.create_default_context()

    async def fetch(self, url: str, param: str) -> bytes:
        """The file at `url`, which is the field `param` of a request.

        Raises:
            GatewayError: files are not fetched here, or not this one; or the host does not answer with it.
        """
        if not self._settings.remote_hosts:
            message = f"{param} is a URL: this gateway fetches none (setting remote_hosts); send the file itself"
            raise bad_request(message, param=param, code="remote_files_off")
        try:
            async with asyncio.timeout(self._settings.remote_timeout_s):
                return await self._followed(url, param)
        except TimeoutError as error:
            limit_s = self._settings.remote_timeout_s
            raise bad_request(f"{param} took longer than {limit_s:g} s", param=param, code="url_timeout") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, ssl.SSLError) as error:
            raise bad_request(f"{param} could not be fetched", param=param, code="url_failed") from error
        except GatewayError as error:
            raise GatewayError(error.status, str(error), code=error.code, param=param) from error

    async def fetch_all(self, urls: Iterable[str], param: str) -> dict[str, bytes]:
        """The files of one request by their URLs, each fetched once; together no more than a request may have.

        Raises:
            GatewayError: as of `fetch`; or there are too many, or they are too large.
        """
        several = tuple(dict.fromkeys(urls))
        if len(several) > MAX_FILES:
            raise bad_request(f"{param}: more than {MAX_FILES} files to fetch", param=param, code="url_refused")
        found: dict[str, bytes] = {}
        for url in several:
            found[url] = await self.fetch(url, param)
            if sum(map(len, found.values())) > self._settings.max_body_bytes:
                raise _too_large(param, self._settings.max_body_bytes)
        return found

    async def _followed(self, url: str, param: str) -> bytes:
        """A pool for each file: a connection that was checked for one is used for no other."""
        async with httpcore.AsyncConnectionPool(self._trusted, http2=False, network_backend=self._network) as pool:
            for _ in range(1 + MAX_REDIRECTS):
                target = self._checked(url, param)
                async with pool.stream("GET", target, headers=HEADERS) as answer:
                    if answer.status not in REDIRECTS:
                        return await self._content(answer, param)
                    url = _joined(url, _header(answer, b"location") or "", param)
        raise bad_request(f"{param} leads to more than {MAX_REDIRECTS} redirects", code="url_refused")

    def _checked(self, url: str, param: str) -> httpcore.URL:
        """The parts of a URL as they are sent, each of a form on which all readers agree."""
        parts, port = _split(url, param)
        host = (parts.hostname or "").lower()
        if parts.scheme != "https":
            raise _refused(f"{param} is no https URL")
        if "@" in parts.netloc:
            raise _refused(f"{param} holds credentials")
        if not HOST.fullmatch(host) or len(host) > MAX_HOST_CHARS:
            raise _refused(f"{param} names no host; addresses and names that are not ASCII are refused")
        if port not in self._settings.remote_ports:
            raise _refused(f"{param} has port {port}, which is not in the setting remote_ports")
        if not any(_is_allowed(host, one.lower()) for one in self._settings.remote_hosts):
            raise _refused(f"{host} is not in the setting remote_hosts")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return httpcore.URL(scheme=b"https", host=host.encode(), port=port, target=target.encode())

    async def _content(self, answer: httpcore.Response, param: str) -> bytes:
        if answer.status != HTTPStatus.OK:
            raise bad_request(f"{param} was answered with status {answer.status}", code="url_failed")
        if (_header(answer, b"content-encoding") or "identity").lower() != "identity":
            raise bad_request(f"{param} was answered in a content-encoding that was not asked for", code="url_failed")
        most = self._settings.max_file_bytes
        length = _header(answer, b"content-length")
        if length is not None and int(length) > most:  # the parser has seen that it is a number
            raise _too_large(param, most)
        data = bytearray()
        async for chunk in answer.aiter_stream():
            data += chunk
            if len(data) > most:
                raise _too_large(param, most)
        return bytes(data)


def is_url(text: str) -> bool:
    """Whether a field holds a URL to fetch from, and no base64 and no data URI."""
    return "://" in text[:20]


def _split(url: str, param: str) -> tuple[SplitResult, int]:
    try:
        if len(url) > MAX_URL_CHARS or not URL_CHARS.fullmatch(url):
            raise ValueError("a URL of printable ASCII was expected")
        parts = urlsplit(url)
        return parts, HTTPS_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise _refused(f"{param} is no URL") from error


def _joined(url: str, location: str, param: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise _refused(f"{param} is redirected to what is no URL") from error


def _is_allowed(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _header(answer: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), None)


def _refused(message: str) -> GatewayError:
    return bad_request(message, code="url_refused")


def _too_large(param: str, most: int) -> GatewayError:
    return GatewayError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{param} has more than {most} bytes", code="too_large")
