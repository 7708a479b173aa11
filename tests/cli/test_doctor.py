"""``realtime-transport doctor``: what it finds, and that it shows and sends no key."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
import trustme

from realtime_transport.cli import main
from realtime_transport.cli.doctor.checks import Finding, check_key, check_network
from tests.canary import CANARY
from tests.processes import serving


@contextmanager
def udp(answer: bool) -> Iterator[int]:
    """A UDP port of loopback whose requests are answered, or ignored."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                request, address = endpoint.recvfrom(2048)
                if request == b"stop":
                    return
                if answer:
                    endpoint.sendto(b"\x01\x01\x00\x00" + request[4:20], address)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield endpoint.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
                stopper.sendto(b"stop", endpoint.getsockname())
            thread.join(10)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        return endpoint.getsockname()[1]


def network(url: str, **options: int | bool) -> dict[str, Finding]:
    async def find() -> dict[str, Finding]:
        return {finding.what: finding async for finding in check_network(url, **options)}  # type: ignore[arg-type]

    return anyio.run(find)


def test_with_the_emulator_nothing_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{CANARY}\n")
    with serving() as base_url, udp(answer=True) as port:
        for backend in ("asyncio", "trio"):
            assert main(["doctor", "--url", base_url, "--udp-port", str(port), "--backend", backend]) == 0
            told = capsys.readouterr().out
            assert "nothing is wrong" in told
            for line in ("WebSocket            opens", "UDP                  127.0.0.1", "an API key, 14 characters"):
                assert line in told, told
            assert CANARY not in told


def test_a_server_that_is_not_there_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--url", "ws://127.0.0.1:9/v1"]) == 1
    told = capsys.readouterr().out
    assert "wrong connection" in told
    assert "is the server running" in told
    assert "good  WebSocket" not in told


def test_this_machine_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--no-network"]) == 0
    told = capsys.readouterr().out
    assert "python" in told
    assert "extra emulator" in told


def test_udp_that_is_refused_or_dropped() -> None:
    with serving() as base_url:
        refused = network(base_url, udp_port=free_port())["UDP"]
        assert (refused.state, "refuses" in refused.found) == ("note", True)
        assert "WebRTC needs it" in refused.advice
        with udp(answer=False) as port:
            assert "does not answer" in network(base_url, udp_port=port)["UDP"].found


def test_this_machine_is_not_asked_by_udp_unless_a_port_is_named() -> None:
    with serving() as base_url:
        found = network(base_url)
    assert (found["UDP"].state, found["WebSocket"].state) == ("note", "good")
    assert "not asked" in found["UDP"].found
    assert all(finding.state != "wrong" for finding in found.values())


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True)
                except OSError:
                    return

        listener.settimeout(20)
        thread = threading.Thread(target=shake_hands, daemon=True)
        thread.start()
        found = network(f"wss://127.0.0.1:{listener.getsockname()[1]}/v1", udp_port=free_port())
        thread.join(10)
    assert found["TLS"].state == "wrong"
    assert "verify=" in found["TLS"].advice


def test_urls_and_names_that_lead_nowhere() -> None:
    assert network(f"nonsense?key={CANARY}")["url"].state == "wrong"
    found = network("ws://nowhere.invalid/v1")
    assert (found["url"].state, found["name"].state) == ("wrong", "wrong")
    assert "UDP" not in found
    assert "url" not in network("ws://nowhere.invalid/v1", allow_insecure=True)


@pytest.mark.parametrize(
    ("key", "state", "word"),
    [
        ("sk-0123456789", "good", "an API key, 13 characters"),
        (" ek_0123456789\n", "good", "a client secret"),
        ("0123456789", "note", "no form that is known"),
        ("sk-01\n23", "wrong", "no header can carry"),
        ("'sk-0123456789'", "wrong", "more than the key"),
        ("Bearer sk-0123456789", "wrong", "more than the key"),
        ("", "wrong", "not set"),
    ],
)
def test_the_form_of_the_key(key: str, state: str, word: str) -> None:
    (found,) = check_key({"OPENAI_API_KEY": key}, needed=True)
    assert (found.state, word in found.found) == (state, True)
    assert "0123456789" not in found.found + found.advice
    assert bool(found.advice) == (state == "wrong")
