"""Which URLs may carry a key, and how a URL is shown."""

from __future__ import annotations

import httpx
import pytest

from realtime_transport.errors import ConfigError
from realtime_transport.urls import (
    CALLS,
    address_hint,
    endpoint_url,
    http_url,
    is_loopback,
    origin,
    redact_url,
    require_encryption,
    rest_base_url,
    scrub,
    secrets_in,
    without_user_info,
)

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://api.example/v1/realtime?model=a%2Fb&call_id=rtc_1", None),
        ("wss://[::1]:8000/v1?x=a%20b&v=2", None),
        ("ws://h", None),
        ("", None),
        (f"wss://{CANARY}:pw@h:1/p", "wss://***@h:1/p"),
        (f"wss://u@v:{CANARY}@h/p", "wss://***@h/p"),
        (f"wss://h/p?key={CANARY}&model=m", "wss://h/p?key=***&model=m"),
        ("wss://h/p?KEY=abc&x-token=abc&%6Bey=abc", "wss://h/p?KEY=***&x-token=***&%6Bey=***"),
        (f"wss://h/p?anything={CANARY}", "wss://h/p?anything=***"),
        (f"wss://h/p?{CANARY}", "wss://h/p?***"),
        (f"wss://h/p#{CANARY}", "wss://h/p"),
        (f"nonsense?key={CANARY}", "nonsense?key=***"),
        (f"user:{CANARY}@h/p", "***@h/p"),
        (f"wss://u:half/{CANARY}@h/p", "wss://***"),
        (f"wss://u:half?{CANARY}@h/p", "wss://***?***"),
        (f"sk-proj-{CANARY}", "***"),
        (f"wss://h/sk-proj-{CANARY}/v1", "wss://h/***/v1"),
        (f"wss://h/p?model=ek_{CANARY}", "wss://h/p?model=***"),
        ("wss://h\udc80/\udc80", "wss://h\udc80/\udc80"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, shown: str | None) -> None:
    assert redact_url(url) == (url if shown is None else shown)
    assert redact_url(redact_url(url)) == redact_url(url)


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("wss://u:p@h:1/p?q=a@b#c@d", "wss://h:1/p?q=a@b#c@d"),
        ("wss://u@v:p@h", "wss://h"),
        ("wss://h/u@v", "wss://h/u@v"),
        ("wss://h?x=u@v", "wss://h?x=u@v"),
        ("wss://u@[::1]:8/", "wss://[::1]:8/"),
        ("nonsense@h", "nonsense@h"),
    ],
)
def test_user_info_is_taken_out_and_nothing_else(url: str, rest: str) -> None:
    assert without_user_info(url) == rest


def test_a_known_key_is_not_shown_in_a_path() -> None:
    assert redact_url("wss://h/short/v1", "short") == "wss://h/***/v1"


def test_what_is_not_shown_is_kept_out_of_logs_as_well() -> None:
    found = secrets_in("https://u%20s:pass@h/p?model=gpt-realtime&key=a%2Bb+c&sk-123")
    assert found == {"u%20s:pass", "u s:pass", "u%20s", "pass", "a%2Bb+c", "a+b+c", "a+b c", "sk-123"}
    assert secrets_in("https://h/p?model=gpt-realtime#key") == set()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost/", True),
        ("http://LOCALHOST.:80/", True),
        ("ws://a.localhost/", True),
        ("http://127.0.0.1:1/", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]/", True),
        ("http://[::ffff:127.0.0.1]/", True),
        ("http://127.evil.example/", False),
        ("http://localhost.evil.example/", False),
        ("http://127.0.0.1@evil.example/", False),
        ("http://10.0.0.1/", False),
        ("http://169.254.1.1/", False),
        ("http://[fe80::1]/", False),
        ("http://0.0.0.0/", False),
        ("http://[", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_a_key_goes_in_the_clear_only_if_the_caller_says_so() -> None:
    for url in ("http://10.0.0.1/", "http://169.254.1.1/", "http://[fd00::1]/", "HTTP://example.com/"):
        with pytest.raises(ConfigError, match="allow_insecure") as caught:
            require_encryption(url, allow_insecure=False)
        assert caught.value.key == "url"
        require_encryption(url, allow_insecure=True)
    for url in ("https://10.0.0.1/", "http://127.0.0.1:1/", "http://localhost/"):
        require_encryption(url, allow_insecure=False)


def test_an_application_in_this_process_is_no_network() -> None:
    in_process = httpx.AsyncClient(transport=httpx.ASGITransport(app=lambda *_: None))  # type: ignore[arg-type]
    require_encryption("http://app/", allow_insecure=False, client=in_process)
    routed = httpx.AsyncClient(mounts={"http://app": httpx.ASGITransport(app=lambda *_: None)})  # type: ignore[arg-type]
    require_encryption("http://app/", allow_insecure=False, client=routed)
    with pytest.raises(ConfigError):
        require_encryption("http://elsewhere/", allow_insecure=False, client=routed)


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://h/", "wss://", "ws://h\\@127.0.0.1/", "ws://h/\n", "ws://h:x/", "://"]
)
def test_what_is_no_url_is_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        http_url(f"{url}?key={CANARY}")
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "http://h:1/v1",
        "ws://h:1/v1/",
        "http://h:1/v1/realtime",
        "ws://h:1/v1/realtime?model=m",
        "http://h:1/v1/realtime/calls",
    ],
)
def test_one_base_url_for_every_wire(url: str) -> None:
    assert rest_base_url(url) == "http://h:1/v1"


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://h:1/v1", "http://h:1/v1/realtime/calls"),
        ("http://h:1/p/v1/?a=b", "http://h:1/p/v1/realtime/calls?a=b"),
        ("https://h/openai/v1/realtime/calls?webrtcfilter=on", "https://h/openai/v1/realtime/calls?webrtcfilter=on"),
        ("https://h/calls", "https://h/calls"),
        ("http://[h/v1", "http://[h/v1"),
    ],
)
def test_the_endpoint_of_a_base_url(url: str, whole: str) -> None:
    assert endpoint_url(url, CALLS) == whole


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://h:1/v1/realtime?key=1",
            "http://h:1/v1/realtime was asked; perhaps http://h:1/v1/realtime/calls is meant",
        ),
        ("http://h:1", "http://h:1 was asked; perhaps http://h:1/v1/realtime/calls is meant"),
        ("http://h:1/p/v1/x", "http://h:1/p/v1/x was asked; perhaps http://h:1/p/v1/realtime/calls is meant"),
        ("http://u:canary@h/v1", "http://***@h/v1 was asked; perhaps http://***@h/v1/realtime/calls is meant"),
        ("http://h:1/v1/realtime/calls", "http://h:1/v1/realtime/calls was asked"),
    ],
)
def test_the_likely_address(url: str, said: str) -> None:
    assert address_hint(url, CALLS) == said


def test_a_text_is_not_taken_apart_for_the_sake_of_a_key_of_one_letter() -> None:
    assert scrub("No WebSocket here", ["k", "", "any"]) == "No WebSocket here"
    assert scrub("Bearer sk-1234 is wrong", ["sk-1234"]) == "Bearer *** is wrong"


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (("https", "api.example", None), "api.example:443"),
        (("http", "127.0.0.1", 8642), "http://127.0.0.1:8642"),
        (("http", "::1", None), "http://[::1]:80"),
        (("https", "2001:db8::1", 444), "[2001:db8::1]:444"),
    ],
)
def test_an_address_is_shown_as_a_url_writes_it(parts: tuple[str, str, int | None], shown: str) -> None:
    assert origin(*parts) == shown
