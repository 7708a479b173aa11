"""URLs: which may carry a key, and how they are shown.

Every URL that leaves the package in a message, a log, a state or a file goes through `redact_url`.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode, urlsplit, urlunsplit

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "CALLS",
    "MASK",
    "REALTIME",
    "address_hint",
    "endpoint_url",
    "http_url",
    "is_base_url",
    "is_loopback",
    "model_in",
    "origin",
    "redact_query",
    "redact_url",
    "require_encryption",
    "rest_base_url",
    "scrub",
    "secrets_in",
    "with_query",
    "without_user_info",
]

MASK = "***"

_SHOWN = frozenset({"model", "call_id", "intent", "deployment", "api-version", "webrtcfilter"})
"""Query parameters whose values are not secret."""

_HIDDEN = re.compile(r"key|token|secret|sig|pass|pwd|auth|cred|code|jwt|sess|ticket", re.IGNORECASE)
"""Parts of the names of parameters whose values are secret."""

_SHORTEST_KEY = 9
"""Under any other name, a value of at least this length may be a secret."""

_KEY_SHAPE = re.compile(r"\b(?:sk|ek|xai|whsec)[-_][\w.-]{4,}")
"""Text that looks like a key anywhere in a URL, also where a key was passed instead of a URL."""

_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]?|[^:@\s\[\]]*)(?::\d*)?")

_HTTP = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def origin(scheme: str, host: str, port: int | None) -> str:
    """Host and port as a URL writes them, with the scheme (http or https) where it is not encrypted."""
    encrypted = scheme == "https"
    literal = f"[{host}]" if ":" in host else host
    return f"{'' if encrypted else 'http://'}{literal}:{port or (443 if encrypted else 80)}"


def redact_url(url: str, *secrets: str) -> str:
    """*url* for people, without user info, fragment, and possible secrets in its query. Accepts any text.

    Args:
        url: A URL, or other text given as one.
        secrets: Further text to mask, wherever it occurs.
    """
    head, question, query = url.partition("#")[0].partition("?")
    scheme, separator, rest = head.partition("://")
    if not separator:
        scheme, rest = "", head
    authority, slash, path = (*re.split(r"([/\\])", rest, maxsplit=1), "", "")[:3]
    _, at, host = authority.rpartition("@")
    shown = f"{MASK}@{host}" if at else host
    if separator and not _AUTHORITY.fullmatch(host):
        # The host may be half of a password that holds a slash or a question mark: show nothing of it.
        shown, slash, path = MASK, "", ""
    pieces = [_redact_piece(piece) for piece in query.split("&")] if question else []
    redacted = f"{scheme}{separator}{shown}{slash}{path}{question}{'&'.join(pieces)}"
    return _KEY_SHAPE.sub(MASK, scrub(redacted, secrets))


def _redact_piece(piece: str) -> str:
    name, equals, value = piece.partition("=")
    if not equals:
        return MASK if piece else ""
    return piece if _is_shown(name, value) else f"{name}={MASK}"


def _is_shown(name: str, value: str) -> bool:
    name = unquote_plus(name)
    return name.lower() in _SHOWN or not (len(unquote_plus(value)) >= _SHORTEST_KEY or _HIDDEN.search(name))


def without_user_info(url: str) -> str:
    """*url* without the user and password in it: an API key or an ``Authorization`` header takes their place.

    httpx would turn them into an ``Authorization`` header and drop the given one.
    """
    scheme, separator, rest = url.partition("://")
    authority, *path = re.split(r"(?=[/\\?#])", rest, maxsplit=1)
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{''.join(path)}" if separator else url


def redact_query(query: Mapping[str, str]) -> dict[str, str]:
    """*query*, decoded, without the values that `redact_url` would not show."""
    return {name: value if _is_shown(name, value) else MASK for name, value in query.items()}


def secrets_in(url: str) -> set[str]:
    """The parts of *url*'s user info and query that `redact_url` masks, as written and decoded."""
    found: set[str] = set()
    rest = url.partition("://")[2]
    user, at, _ = re.split(r"[/\\?#]", rest, maxsplit=1)[0].rpartition("@")
    if at:
        found.update((user, *user.split(":", 1)))
    for piece in url.partition("#")[0].partition("?")[2].split("&"):
        name, equals, value = piece.partition("=")
        if not equals:
            found.add(piece)
        elif not _is_shown(name, value):
            found.add(value)
    found.update({unquote(text) for text in found} | {unquote_plus(text) for text in found})
    return {text for text in found if len(text) >= _SHORTEST_SECRET}


_SHORTEST_SECRET = 4
"""Characters. Masking shorter values would garble messages and protect nothing."""


def scrub(text: str, secrets: Iterable[str]) -> str:
    """*text* with `MASK` in place of each of *secrets*, except those too short to be one."""
    for secret in sorted({given for given in secrets if len(given) >= _SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def model_in(url: str | None) -> str | None:
    """The model that the query of *url* names; ``None`` if it names none, or the placeholder ``{model}``."""
    try:
        named = dict(parse_qsl(urlsplit(url or "").query)).get("model")
    except ValueError:
        return None
    return None if named == "{model}" else named


def with_query(url: str, extra: Mapping[str, str]) -> str:
    """*url* with *extra* in its query, replacing the same names; a ``call_id`` also replaces ``model``."""
    if not extra:
        return url
    parts = urlsplit(url)
    replaced = {*extra, "model"} if "call_id" in extra else set(extra)
    kept = [piece for piece in parts.query.split("&") if piece and piece.partition("=")[0] not in replaced]
    query = "&".join([*kept, urlencode(extra, quote_via=quote)])
    return urlunsplit(parts._replace(query=query))


def http_url(url: str, *, example: str = "wss://host/path") -> str:
    """*url* with the scheme of HTTP, ws becoming http and wss becoming https.

    Raises:
        ConfigError: It is not a URL of one of the four schemes with a host. The message shows it redacted.
    """
    scheme, separator, rest = url.partition("://")
    known = _HTTP.get(scheme.lower())
    try:
        host = urlsplit(f"{known}://{rest}").hostname
        _ = urlsplit(f"{known}://{rest}").port
        rest.encode()
    except ValueError:
        host = None
    # A backslash ends the host for some parsers and not for others; control characters are dropped by some.
    if known is None or not separator or not host or "\\" in rest or not rest.isprintable():
        raise ConfigError(
            f"url: {redact_url(url)!r} cannot be used; it has to look like {example} (ws, wss, http or https)",
            key="url",
        ) from None
    return f"{known}://{rest}"


def is_loopback(url: str) -> bool:
    """Whether *url* names this machine: ``localhost``, or an address of the loopback network."""
    try:
        return _is_loopback((urlsplit(url).hostname or "").rstrip("."))
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


_IN_PROCESS = frozenset({"ASGITransport", "MockTransport"})
"""Names of httpx transports that reach no network; by name, since ``httpx2`` has its own classes."""


def require_encryption(url: str, *, allow_insecure: bool, client: object = None) -> None:
    """Refuse to send a key unencrypted over a network.

    Loopback and applications in this process are allowed. Private and link-local addresses are not: others on that
    network can listen.

    Args:
        url: An http or https URL.
        allow_insecure: Whether the caller allows it.
        client: The ``httpx.AsyncClient`` that will be used, if the caller gave one.

    Raises:
        ConfigError: The key would be sent unencrypted.
    """
    if allow_insecure or not url.lower().startswith("http:") or is_loopback(url) or _is_in_process(url, client):
        return
    raise ConfigError(
        f"url: {redact_url(url)} is not encrypted, and the API key and the conversation would be readable on the way; "
        "use wss:// or https://, or pass allow_insecure=True",
        key="url",
    )


def _is_in_process(url: str, client: object) -> bool:
    # httpx has no public way to ask. A client that cannot be asked counts as a network.
    route = getattr(client, "_transport_for_url", None)
    if route is None:
        return False
    transport = route(type(cast("Any", client).base_url)(url))
    return any(cls.__name__ in _IN_PROCESS for cls in type(transport).__mro__)


# Addresses of an API

REALTIME = "/realtime"
"""The endpoint for WebSockets, below the base URL of an API."""

CALLS = "/realtime/calls"
"""Where SDP offers are posted."""

_VERSION = "/v1"


def is_base_url(url: str) -> bool:
    """Whether *url* is the base URL of an API, such as ``https://host/v1``, and not one of its endpoints."""
    return _path(url).rstrip("/").endswith(_VERSION)


def endpoint_url(url: str, endpoint: str) -> str:
    """The URL of *endpoint* if *url* is the base URL of an API; any other *url* is returned as it is."""
    if not is_base_url(url):
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + endpoint))


def rest_base_url(url: str) -> str:
    """The base URL of the API, such as ``https://host/v1``, from that or from the URL of one of its endpoints.

    Raises:
        ConfigError: *url* is not a URL.
    """
    web = http_url(url, example="https://host/v1")
    base = web.partition("#")[0].partition("?")[0].rstrip("/")
    for endpoint in (CALLS, REALTIME):
        if base.endswith(endpoint):
            return base.removesuffix(endpoint)
    return base


def address_hint(url: str, endpoint: str, *secrets: str) -> str:
    """Text for an error: the URL that was tried, and the one that was probably meant, if it differs; both redacted."""
    parts = urlsplit(url)
    before, found, _ = parts.path.partition(_VERSION)
    path = f"{before if found else ''}{_VERSION}{endpoint}"
    tried, likely = (parts._replace(query="", fragment="", path=one) for one in (parts.path, path))
    said = f"{redact_url(urlunsplit(tried), *secrets)} was asked"
    return said if tried == likely else f"{said}; perhaps {redact_url(urlunsplit(likely), *secrets)} is meant"


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
