"""What can be used of an SDP answer, and what is said of one that cannot."""

from __future__ import annotations

import pytest

from realtime_transport.errors import NegotiationError
from realtime_transport.rtc.sdp import Description, acceptable, with_codecs, without_candidates

ANSWER = """\
v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=fingerprint:sha-256 7E:0E
a=ice-lite
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 96 0 8
c=IN IP4 0.0.0.0
a=setup:active
a=mid:0
a=ice-ufrag:abcdefgh/u0/12345678
a=ice-pwd:0123456789abcdef0123456789abcdef
a=rtcp-mux
a=rtpmap:96 opus/48000/2
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=candidate:1 1 udp 2130706431 198.51.100.1 3478 typ host ufrag abcdefgh/u0/12345678
a=candidate:2 1 tcp 1671430143 198.51.100.1 443 typ host tcptype passive ufrag abcdefgh/u0/12345678
a=candidate:3 1 udp 2130706431 198.51.100.2 3478 typ host ufrag abcdefgh/u0/12345678
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=setup:active
a=mid:1
a=sctp-port:5000
a=max-message-size:1073741823
a=ice-ufrag:abcdefgh/u0/12345678
a=ice-pwd:0123456789abcdef0123456789abcdef
"""


def hosts(text: str) -> list[list[str]]:
    """The addresses in each section."""
    return [[candidate.host for candidate in section.candidates()] for section in Description.parse(text).sections]


def test_every_section_gets_the_candidates_that_can_be_used() -> None:
    usable = acceptable(ANSWER, "answer")
    assert hosts(usable) == [["198.51.100.1", "198.51.100.2"]] * 2
    assert " tcp " not in usable
    assert usable.count(" ufrag abcdefgh/u0/12345678") == 4


def test_everything_else_stays_as_it_was() -> None:
    usable = acceptable(ANSWER, "answer").splitlines()
    assert [line for line in usable if "candidate" not in line] == [
        line for line in ANSWER.splitlines() if "candidate" not in line
    ]


def test_what_one_section_says_of_the_transport_holds_for_all() -> None:
    head, data = ANSWER.split("m=application")
    kept = "\n".join(line for line in data.splitlines() if not line.startswith(("a=ice", "a=setup")))
    sections = Description.parse(acceptable(f"{head}m=application{kept}", "answer")).sections
    for name in ("ice-ufrag", "ice-pwd", "setup"):
        assert sections[0].values(name) == sections[1].values(name) != []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("v=0", "hello", "it is no SDP"),
        (ANSWER, "", "it is no SDP"),
        ("m=audio 9", "m=audio 0", r"it refuses audio \(port 0\)"),
        ("m=application 9", "m=application 0", r"it refuses the data channel \(port 0\)"),
        ("m=audio", "m=video", "no section for audio"),
        ("m=application", "m=text", "no section for the data channel"),
        ("a=rtpmap:96 opus/48000/2\n", "", "no codec of ours, which is opus; it has PCMU/8000, PCMA/8000"),
        ("SAVPF 96 0 8", "SAVPF 0 8", "it has PCMU/8000, PCMA/8000"),
        ("SAVPF 96 0 8", "SAVPF 77", "it has none"),
        ("a=candidate", "a=candidature", r"no address to reach by UDP \(no candidate\)"),
        (" udp ", " tcp ", r"no address to reach by UDP \(only tcp candidates"),
        ("198.51.100.", "x.example.org", r"no address to reach by UDP \(only tcp and udp candidates"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(old: str, new: str, said: str) -> None:
    with pytest.raises(NegotiationError, match=f"the SDP answer cannot be used: .*{said}"):
        acceptable(ANSWER.replace(old, new), "answer")


def test_static_codecs_need_no_name() -> None:
    answer = ANSWER.replace("a=rtpmap:0 PCMU/8000\n", "").replace("SAVPF 96 0 8", "SAVPF 0 9")
    with pytest.raises(NegotiationError, match="it has PCMU/8000, G722/8000"):
        acceptable(answer, "answer")


def test_a_peer_that_starts_checks_itself_needs_no_address() -> None:
    answer = "\n".join(line for line in ANSWER.splitlines() if "candidate" not in line and line != "a=ice-lite")
    assert hosts(acceptable(answer, "answer")) == [[], []]


def test_an_end_of_candidates_holds_only_where_there_are_some() -> None:
    ended = ANSWER.replace("m=application", "a=end-of-candidates\nm=application")
    assert acceptable(ended, "answer").count("a=end-of-candidates") == 2
    hidden = ended.replace("198.51.100", "x.local").replace("a=ice-lite\n", "")
    assert "a=end-of-candidates" not in acceptable(hidden, "answer")


def test_an_offer_without_candidates() -> None:
    bare = without_candidates(ANSWER.replace("m=application", "a=end-of-candidates\nm=application"))
    assert "candidate" not in bare
    assert "a=ice-ufrag" in bare


def test_some_codecs_in_an_order_of_ones_own() -> None:
    some = with_codecs(
        ANSWER.replace("a=mid:0", "a=rtcp-fb:8 nack\na=rtcp-fb:* nack\na=mid:0"), "pcmu/8000", "opus/48000"
    )
    audio = Description.parse(some).sections[0]
    assert audio.lines[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 0 96"
    assert audio.codecs() == {"0": "PCMU/8000", "96": "opus/48000"}
    assert audio.values("rtcp-fb") == ["* nack"]
    assert len(audio.values("rtpmap")) == 2
