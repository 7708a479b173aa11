"""Session descriptions (SDP, RFC 8866) between the network and aiortc: text in, text out, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.errors import NegotiationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

__all__ = ["Candidate", "Description", "Section", "acceptable", "with_codecs", "without_candidates"]

_STATIC_CODECS = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000"}
"""RTP payload types that need no ``a=rtpmap`` (RFC 3551)."""

_OF_THE_TRANSPORT = ("ice-ufrag", "ice-pwd", "setup")
"""What belongs to the transport: in a bundle one section may say it for all of them (RFC 8843, 7.1.3)."""


@attrs.frozen
class Candidate:
    """An address of the peer, from ``a=candidate`` (RFC 8839, 5.1).

    Attributes:
        value: What follows ``a=candidate:``.
        component: 1, or 2 for RTCP without rtcp-mux.
        transport: ``"udp"`` or ``"tcp"``.
        host: An IP address, or a name.
        port: Its port; 0 or 9 where there is none to connect to.
    """

    value: str
    component: int
    transport: str
    host: str
    port: int

    @classmethod
    def parse(cls, value: str) -> Self | None:
        """The candidate that *value* describes; ``None`` if it is none."""
        words = value.split()
        if len(words) < 8 or not (words[1].isdecimal() and words[3].isdecimal() and words[5].isdecimal()):
            return None
        return cls(value, int(words[1]), words[2].lower(), words[4], int(words[5]))

    @property
    def is_usable(self) -> bool:
        """Whether aioice can send to it: UDP, RTP's component, and an address in place of a name.

        A name under ``.local`` hides the address of a browser, which starts checks itself and is found by them; to
        resolve it takes a multicast socket and a second.
        """
        has_address = self.host.replace(".", "").isdecimal() or ":" in self.host
        return self.component == 1 and self.transport == "udp" and self.port > 0 and has_address


@attrs.define
class Section:
    """The lines of one ``m=`` section, the first of which is ``m=`` itself."""

    lines: list[str]

    @property
    def kind(self) -> str:
        """``"audio"``, ``"application"``, …"""
        return self.lines[0][2:].partition(" ")[0]

    @property
    def is_refused(self) -> bool:
        """Whether its port is 0 (RFC 3264, 6)."""
        return self.lines[0].split()[1:2] == ["0"]

    def values(self, name: str) -> list[str]:
        """The values of the attribute *name*."""
        return list(_values(self.lines, name))

    def candidates(self) -> list[Candidate]:
        """Those that can be read."""
        return [found for value in self.values("candidate") if (found := Candidate.parse(value)) is not None]

    def codecs(self) -> dict[str, str]:
        """What it offers or accepts: names and clock rates, such as ``"opus/48000"``, by payload type."""
        named = {value.partition(" ")[0]: value.partition(" ")[2] for value in self.values("rtpmap")}
        known = {kind: named.get(kind, _STATIC_CODECS.get(kind, "")) for kind in self.lines[0].split()[3:]}
        return {kind: "/".join(name.split("/")[:2]) for kind, name in known.items() if name}


@attrs.define
class Description:
    """A session description: the lines for the session, then sections."""

    session: list[str]
    sections: list[Section]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The description in *text*; nothing is judged but the version.

        Raises:
            ValueError: It does not begin like one.
        """
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or not lines[0].startswith("v="):
            raise ValueError("it is no SDP")
        session: list[str] = []
        sections: list[Section] = []
        for line in lines:
            if line.startswith("m="):
                sections.append(Section([line]))
            else:
                (sections[-1].lines if sections else session).append(line)
        return cls(session, sections)

    def __str__(self) -> str:
        lines = [*self.session, *(line for section in self.sections for line in section.lines)]
        return "".join(f"{line}\r\n" for line in lines)

    @property
    def is_lite(self) -> bool:
        """Whether its author never starts a connectivity check (RFC 8445, 2.5)."""
        return "a=ice-lite" in self.session

    def section(self, kind: str) -> Section:
        """The first section of *kind* that is not refused.

        Raises:
            ValueError: There is none.
        """
        what = {"audio": "audio", "application": "the data channel"}[kind]
        of_kind = [section for section in self.sections if section.kind == kind]
        if not of_kind:
            raise ValueError(f"it has no section for {what}; one audio track and one data channel are needed")
        for section in of_kind:
            if not section.is_refused:
                return section
        raise ValueError(f"it refuses {what} (port 0)")


def acceptable(text: str, kind: str) -> str:
    """The description that aiortc is to be given in place of *text*, of another peer.

    The candidates of all sections stand in each: bundled sections share one transport, most servers name its addresses
    in the first section only, and aiortc takes those of the last. Candidates that it cannot use are left out; what one
    section says of the shared transport is said in the others, too.

    Args:
        text: The description.
        kind: ``"offer"`` or ``"answer"``.

    Raises:
        NegotiationError: There can be no call: it is no description, audio or the data channel is missing or refused,
            there is no common codec, or the addresses cannot be reached by UDP.
    """
    try:
        description = Description.parse(text)
        audio, data = description.section("audio"), description.section("application")
        codecs = audio.codecs().values()
        if not any(codec.lower() == "opus/48000" for codec in codecs):
            raise ValueError(f"its audio has no codec of ours, which is opus; it has {', '.join(codecs) or 'none'}")
        _share_candidates(description, [audio, data], kind)
    except ValueError as exc:
        raise NegotiationError(f"the SDP {kind} cannot be used: {exc}") from exc
    _share_transport(description, [audio, data])
    return str(description)


def without_candidates(text: str) -> str:
    """The description *text* without any address: its author is the one who has to start."""
    description = Description.parse(text)
    for section in description.sections:
        section.lines[:] = _without(section.lines, "candidate", "end-of-candidates")
    return str(description)


def with_codecs(text: str, *names: str) -> str:
    """The description *text* with these codecs of audio alone, such as ``"opus/48000"``, and in this order."""
    description = Description.parse(text)
    for section in description.sections:
        if section.kind == "audio":
            words = section.lines[0].split()
            kept = [kind for name in names for kind, codec in section.codecs().items() if codec.lower() == name]
            section.lines[:] = [" ".join([*words[:3], *kept]), *_without_formats(section.lines[1:], kept)]
    return str(description)


def _without_formats(lines: list[str], kept: list[str]) -> list[str]:
    formats = ("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")
    return [
        line
        for line in lines
        if not line.startswith(formats) or line.partition(":")[2].partition(" ")[0] in (*kept, "*")
    ]


def _share_candidates(description: Description, sections: list[Section], kind: str) -> None:
    found = [candidate for section in sections for candidate in section.candidates()]
    usable = {(one.host, one.port): one for one in reversed(found) if one.is_usable}
    if description.is_lite and kind == "answer" and not usable:
        kinds = sorted({candidate.transport for candidate in found})
        there = f"only {' and '.join(kinds)} candidates that are of no use" if kinds else "no candidate"
        raise ValueError(f"it names no address to reach by UDP ({there}), and its author never connects by itself")
    # In the order in which they stand there.
    lines = [f"a=candidate:{one.value}" for one in reversed(usable.values())]
    ends = ["a=end-of-candidates"] if lines and _is_complete(sections) else []
    for section in sections:
        section.lines[:] = [*_without(section.lines, "candidate", "end-of-candidates"), *lines, *ends]


def _is_complete(sections: list[Section]) -> bool:
    return any("a=end-of-candidates" in section.lines for section in sections)


def _share_transport(description: Description, sections: list[Section]) -> None:
    if not any(value.startswith("BUNDLE") for value in _values(description.session, "group")):
        return
    for name in _OF_THE_TRANSPORT:
        values = [value for section in sections for value in section.values(name)]
        for section in sections:
            if values and not section.values(name):
                section.lines.append(f"a={name}:{values[0]}")
    prints = [section.values("fingerprint") for section in sections]
    for section, own in zip(sections, prints, strict=True):
        if not own:
            section.lines += [f"a=fingerprint:{value}" for values in prints for value in values]


def _values(lines: Iterable[str], name: str) -> Iterator[str]:
    return (line[len(name) + 3 :] for line in lines if line.startswith(f"a={name}:"))


def _without(lines: list[str], *names: str) -> list[str]:
    prefixes = tuple(f"a={name}" for name in names)
    return [line for line in lines if line.partition(":")[0] not in prefixes]
