"""Rewrites aiortc's SDP answer into the form of the service's."""

from __future__ import annotations

from zlib import crc32

from realtime_transport.rtc.sdp import Candidate, Description, Section

__all__ = ["service_answer"]

MAX_MESSAGE_SIZE = 1_073_741_823
"""The value that the service announces; it closes the channel at much smaller messages."""

_STREAM = "realtimeapi"


def service_answer(answer: str, *, ice_lite: bool) -> str:
    """*answer*, which aiortc made, in the form of the service's.

    Only the audio section has addresses, each for UDP and for TCP (where nothing listens), with the user fragment;
    there is no end-of-candidates; the fingerprint is at session level.

    Args:
        answer: The answer, which accepts audio, a data channel, and whatever else was offered.
        ice_lite: Whether to announce ICE-lite: this side never starts a connectivity check.
    """
    local = Description.parse(answer)
    sections = {section.kind: section for section in reversed(local.sections)}
    audio = sections["audio"]
    fingerprint = next(value for value in audio.values("fingerprint") if value.startswith("sha-256"))
    session = [
        *(line for line in local.session if not line.startswith("a=")),
        "a=msid-semantic:WMS *",
        f"a=fingerprint:{fingerprint}",
        *(["a=ice-lite"] if ice_lite else []),
        *(line for line in local.session if line.startswith("a=group:")),
    ]
    ours = {"audio": _audio, "application": _data}
    described = [Section(ours[one.kind](one)) if one.kind in ours else one for one in local.sections]
    return str(Description(session, described))


def _audio(section: Section) -> list[str]:
    codecs = {value.partition(" ")[0]: value for value in section.values("rtpmap")}
    offered = section.lines[0].split()[3:]
    (fragment,) = section.values("ice-ufrag")
    ssrc = next(iter(section.values("ssrc")), "0").partition(" ")[0]
    opus = next(kind for kind in offered if "opus/" in codecs.get(kind, ""))
    return [
        f"m=audio 9 UDP/TLS/RTP/SAVPF {' '.join(offered)}",
        "c=IN IP4 0.0.0.0",
        *_transport(section),
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{codecs[opus]}",
        f"a=fmtp:{opus} minptime=10;useinbandfec=1",
        *(f"a=rtpmap:{codecs[kind]}" for kind in offered if kind != opus and kind in codecs),
        *(f"a=ssrc:{ssrc} {said}" for said in (f"cname:{_STREAM}", f"msid:{_STREAM} audio", f"mslabel:{_STREAM}")),
        f"a=ssrc:{ssrc} label:audio",
        f"a=msid:{_STREAM} audio",
        *(line for line in section.lines if line in ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")),
        *(line for one in section.candidates() for line in _addresses(one, fragment)),
    ]


def _data(section: Section) -> list[str]:
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        *_transport(section)[:2],
        "a=sendrecv",
        *(f"a=sctp-port:{value}" for value in section.values("sctp-port")),
        f"a=max-message-size:{MAX_MESSAGE_SIZE}",
        *_transport(section)[2:],
    ]


def _transport(section: Section) -> list[str]:
    names = ("setup", "mid", "ice-ufrag", "ice-pwd")
    return [f"a={name}:{value}" for name in names for value in section.values(name)]


def _addresses(candidate: Candidate, fragment: str) -> list[str]:
    if not candidate.is_usable:
        return []
    where = f"{candidate.host} {candidate.port} typ host"
    kinds = (("udp", 2130706431, ""), ("tcp", 1671430143, " tcptype passive"))
    return [
        f"a=candidate:{crc32(f'{kind} {candidate.host}'.encode())} 1 {kind} {priority} {where}{more} ufrag {fragment}"
        for kind, priority, more in kinds
    ]
