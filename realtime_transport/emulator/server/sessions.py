"""Makes the peer that serves an upgrade request: a session, a sideband, or a refusal."""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING

import attrs

from realtime_transport.emulator.checks.validation import ANY_NAMES, SERVICE_NAMES
from realtime_transport.emulator.conversation.conversation import Conversation
from realtime_transport.emulator.conversation.session_object import MAX_SESSION_SECONDS, default_session, merged_session
from realtime_transport.emulator.conversation.transcription import placeholder
from realtime_transport.emulator.conversation.translation import Translation
from realtime_transport.emulator.conversation.vad import VoiceActivityDetector
from realtime_transport.emulator.ids import IdSource
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.records import SessionRecord
from realtime_transport.urls import redact_query

from .admission import Admission, Rejection, UpgradeRequest, admit
from .rejected_peer import RejectedPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from realtime_transport.emulator.checks.validation import KnownNames
    from realtime_transport.emulator.replies import Reply, Responder, Turn
    from realtime_transport.emulator.responders.script import Script
    from realtime_transport.protocol.vendors.profiles import EndpointProfile

    from .access import Access
    from .websocket import Peer

__all__ = ["SessionFactory"]

MAX_RECORDS = 1000
"""The number of sessions that are remembered, open ones included; the oldest are forgotten first."""


@attrs.define(eq=False, kw_only=True)
class SessionFactory:
    """Admits clients and makes the peers that serve them.

    Args:
        access: Checks keys.
        responder: Decides what is said.
        script: Asked before the responder, if there is one.
        profile: The server to emulate; ``None``: the service.
        seed: The seed of identifiers.
        audio_speed: Seconds of audio sent in one second; ``None``: all at once.
        latency: Seconds between the creation of a response and its first output.
        peers: Makes the peers of WebSockets instead of conversations, if given.

    Attributes:
        records: The sessions so far.
        rejected: The connections that were refused with an ``error`` and a close.
        connections: The number of connections so far.
    """

    _access: Access = attrs.field(alias="access")
    _responder: Responder = attrs.field(alias="responder")
    _script: Script | None = attrs.field(alias="script")
    _profile: EndpointProfile | None = attrs.field(alias="profile")
    _seed: int = attrs.field(alias="seed")
    _audio_speed: float | None = attrs.field(alias="audio_speed")
    _latency: float = attrs.field(alias="latency", default=0.0)
    _peers: Callable[[SessionRecord], Peer] | None = attrs.field(alias="peers", default=None)
    records: collections.deque[SessionRecord] = attrs.field(
        init=False, factory=lambda: collections.deque[SessionRecord](maxlen=MAX_RECORDS)
    )
    rejected: collections.deque[SessionRecord] = attrs.field(
        init=False, factory=lambda: collections.deque[SessionRecord](maxlen=MAX_RECORDS)
    )
    connections: int = attrs.field(init=False, default=0)

    def next_ids(self) -> IdSource:
        """The source of identifiers for one more connection."""
        self.connections += 1
        return IdSource.seeded(f"{self._seed}/{self.connections}")

    def open(
        self, request: UpgradeRequest, subprotocol: str | None, find_call: Callable[[str], Peer | None]
    ) -> tuple[Peer, SessionRecord]:
        """Make the peer for an upgrade request: a session, a sideband of a call, or a refusal.

        Args:
            request: The request.
            subprotocol: The subprotocol that was agreed upon.
            find_call: Makes the peer that joins the call of an id, if this server carries that call.
        """
        ids, now = self.next_ids(), time.time()
        decision = admit(request, self._access, now)
        is_rejected = isinstance(decision, Rejection)
        record = SessionRecord(
            id="" if is_rejected else ids("sess"),
            kind="" if is_rejected else decision.kind.value,
            model="" if is_rejected else decision.model,
            query=redact_query(request.query),
            headers=request.public_headers,
            subprotocol=subprotocol,
        )
        if isinstance(decision, Rejection):
            self.rejected.append(record)
            return RejectedPeer.of(decision, ids, record), record
        self.records.append(record)
        if self._peers is not None:
            return self._peers(record), record
        sideband = find_call(decision.call_id) if decision.call_id is not None else None
        return sideband or _PEERS[decision.kind](self, decision, record, ids, now), record

    def conversation_of_call(
        self, *, model: str, settings: Mapping[str, Any], upgrade: UpgradeRequest, ids: IdSource
    ) -> Conversation:
        """Make the conversation of a WebRTC call.

        Args:
            model: The model that the client asked for.
            settings: Session settings that came with the offer or the client secret.
            upgrade: The request of the offer.
            ids: Makes identifiers.
        """
        record = SessionRecord(
            id=ids("sess"),
            kind=SessionKind.REALTIME.value,
            model=model,
            query=redact_query(upgrade.query),
            headers=upgrade.public_headers,
            subprotocol=None,
        )
        self.records.append(record)
        admission = Admission(kind=SessionKind.REALTIME, model=model, settings=settings, model_is_fixed=False)
        return self.conversation(admission, record, ids, time.time())

    def conversation(self, admission: Admission, record: SessionRecord, ids: IdSource, now: float) -> Conversation:
        """Make a realtime or transcription session."""
        responder, recognize = self._responder, placeholder
        if self._script is not None:
            responder = player = self._script.player(self._responder)
            recognize = player.recognize
        if self._latency:
            responder = _later(responder, self._latency)
        return Conversation(
            _initial_session(admission, record, now),
            record,
            responder,
            recognize,
            VoiceActivityDetector.silero,
            ids,
            audio_speed=self._audio_speed,
            model_is_fixed=admission.model_is_fixed,
            names=self._names,
            is_attached=admission.call_id is not None,
        )

    def translation(self, admission: Admission, record: SessionRecord, ids: IdSource, now: float) -> Translation:
        """Make a translation session."""
        return Translation(_initial_session(admission, record, now), record, ids)

    @property
    def _names(self) -> KnownNames:
        return SERVICE_NAMES if self._profile is None or self._profile.name == "openai" else ANY_NAMES


def _later(responder: Responder, seconds: float) -> Responder:
    def respond(turn: Turn) -> Reply:
        reply = responder(turn)
        return attrs.evolve(reply, delay=reply.delay + seconds)

    return respond


def _initial_session(admission: Admission, record: SessionRecord, now: float) -> dict[str, Any]:
    session = default_session(
        admission.kind, session_id=record.id, model=admission.model, expires_at=int(now) + MAX_SESSION_SECONDS
    )
    settings = {key: value for key, value in admission.settings.items() if key != "model"}
    if settings.get("type", admission.kind.value) == admission.kind.value:
        session = merged_session(session, settings)
    return session


_PEERS: Mapping[SessionKind, Callable[[SessionFactory, Admission, SessionRecord, IdSource, float], Peer]] = {
    SessionKind.REALTIME: SessionFactory.conversation,
    SessionKind.TRANSCRIPTION: SessionFactory.conversation,
    SessionKind.TRANSLATION: SessionFactory.translation,
}
