"""Where a server is and how it is reached: its address, TLS, and what is sent with every call."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc

from qwen_client.channels import IPV6_FORM, PORT, SCHEME
from qwen_wire.errors import InvalidRequest

DEFAULT_ADDRESS = "127.0.0.1:8001"
ADDRESS_VARIABLE = "QWEN_URL"
DEFAULT_TLS_PORT = 443
TENANT = "qwen-tenant"
TENANT_FORM = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
KEY_FORM = re.compile(r"[a-z0-9_.-]+")
VALUE_FORM = re.compile(r"[\x20-\x7e]*")
WITHOUT_PORT = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")
MAX_SHOWN_CHARS = 80
MAX_RETRIES = 10


@dataclass(frozen=True)
class Tls:
    """How a server is trusted: `Client("host:443", tls=Tls(ca_file="ca.pem"))`.

    `ca_file`: certificates of authorities, PEM; None: those of gRPC. `cert_file` and `key_file`: this client's own
    certificate, where the server asks for one. `server_name`: the name in the server's certificate, where it is not
    the address.
    """

    ca_file: str | os.PathLike[str] | None = None
    cert_file: str | os.PathLike[str] | None = None
    key_file: str | os.PathLike[str] | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises `InvalidRequest` where a file cannot be read, or one of a pair is missing."""
        if (self.cert_file is None) != (self.key_file is None):
            raise InvalidRequest("a client's certificate needs both tls.cert_file and tls.key_file")
        return grpc.ssl_channel_credentials(
            _content("ca_file", self.ca_file),
            _content("key_file", self.key_file),
            _content("cert_file", self.cert_file),
        )


@dataclass(frozen=True)
class Address:
    """`target` as gRPC takes it; `tls`: None for a connection in plain text."""

    target: str
    tls: Tls | None = None


@dataclass(frozen=True)
class CallOptions:
    """What holds for every call: `timeout_s` for all of it, its `retries` included; `metadata` is sent with it.

    Raises:
        InvalidRequest: a value that no call can have.
    """

    timeout_s: float
    tenant: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)  # it may hold credentials
    retries: int = 2

    def __post_init__(self) -> None:
        if isinstance(self.timeout_s, bool) or not isinstance(self.timeout_s, int | float) or not self.timeout_s > 0:
            raise InvalidRequest(f"timeout_s is {self.timeout_s!r}: give seconds above 0")
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or not 0 <= self.retries <= MAX_RETRIES:
            raise InvalidRequest(f"retries is {self.retries!r}: give 0 to {MAX_RETRIES}")
        if self.tenant is not None and not (isinstance(self.tenant, str) and TENANT_FORM.fullmatch(self.tenant)):
            raise InvalidRequest(f"tenant is {self.tenant!r:.82}: use up to 64 of a-z, 0-9, - and _")
        for key, value in self.metadata.items():
            _check_metadata(key, value)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """As gRPC takes them."""
        tenant = () if self.tenant is None else ((TENANT, self.tenant),)
        return (*self.metadata.items(), *tenant)


def read_address(address: str | None, tls: Tls | bool | None = None) -> Address:
    """The address of a server; None: that in QWEN_URL, else the default of `qwen serve`.

    It is HOST:PORT, grpc://HOST:PORT, grpcs://HOST[:PORT] for TLS, or a target as gRPC names them (unix:PATH). `tls`:
    True takes the authorities of gRPC.

    Raises:
        InvalidRequest: gRPC would look for something else than a server at this address.
    """
    text = (address if address is not None else os.environ.get(ADDRESS_VARIABLE)) or DEFAULT_ADDRESS
    if not isinstance(text, str):
        raise InvalidRequest(f"address is {text!r:.80}: give a text such as {DEFAULT_ADDRESS}")
    shown = repr(text[:MAX_SHOWN_CHARS])
    scheme, separator, host = text.strip().partition("://")
    if not separator:
        scheme, host = "grpc", text.strip()
    if scheme.lower() in ("http", "https"):
        raise InvalidRequest(
            f"address is {shown}: the SDK speaks gRPC, whose port is 8001; write {DEFAULT_ADDRESS}, "
            "or grpcs://HOST:PORT for TLS"
        )
    if scheme.lower() not in ("grpc", "grpcs"):
        scheme, host = "grpc", text.strip()  # a target of gRPC's own, such as dns:///host:8001
    if tls is True or (tls is None and scheme.lower() == "grpcs"):
        tls = Tls()
    secured = tls or None
    return Address(_target(host.rstrip("/"), shown, secured is not None), secured)


def _target(host: str, shown: str, is_secure: bool) -> str:
    bare = SCHEME.sub("", host)
    if bare.count(":") > 1 and IPV6_FORM.fullmatch(bare):
        raise InvalidRequest(f"address is {shown}: write an address of IPv6 as [::1]:8001")
    if host.startswith(WITHOUT_PORT) or PORT.search(host):
        return host
    if not bare or "/" in bare or ":" in bare.rpartition("]")[2]:
        raise InvalidRequest(f"address is {shown}: write HOST:PORT, such as {DEFAULT_ADDRESS}")
    if is_secure:
        return f"{host}:{DEFAULT_TLS_PORT}"
    raise InvalidRequest(f"address is {shown}: it has no port; write {bare}:8001")


def _content(name: str, file: str | os.PathLike[str] | None) -> bytes | None:
    if file is None:
        return None
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise InvalidRequest(f"tls.{name} cannot be read: {error}") from error


def _check_metadata(key: object, value: object) -> None:
    if not isinstance(key, str) or not KEY_FORM.fullmatch(key) or key.endswith("-bin") or key.startswith("grpc-"):
        raise InvalidRequest(
            f"metadata has the key {key!r:.80}: use a-z, 0-9, -, _ and ., neither grpc-... nor ...-bin"
        )
    if key == TENANT:
        raise InvalidRequest(f"metadata has the key {TENANT!r}: give the tenant as tenant=")
    if not isinstance(value, str) or not VALUE_FORM.fullmatch(value):
        raise InvalidRequest(f"metadata[{key!r}] is not a text of printable ASCII characters")
