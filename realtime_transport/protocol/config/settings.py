"""The configuration of a session, from what a user writes to what is sent.

A configuration is a `RealtimeSessionConfig` or a mapping, in snake_case or camelCase; the flat names of the beta
protocol are understood too, but not mixed with the new ones. It is checked and brought into one flat form, merged
there, and written as the ``session`` of a ``session.update``, completed by the SDK's defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError
from realtime_transport.late_classes import define, frozen
from realtime_transport.protocol.wire.json_types import UNSET, Unset
from realtime_transport.protocol.wire.model import WireModel

from .defaults import DEFAULT_MODEL, NO_DEFAULTS, VENDOR_DEFAULTS, SessionDefaults
from .rules import AUDIO_NAMES, LEGACY_NAMES, NESTED, PASSED_ON, RULES, plain, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from realtime_transport.protocol.wire.session import (
        PromptReference,
        Reasoning,
        SessionAudio,
        Tool,
        ToolChoice,
        TracingConfig,
    )

__all__ = ["DEFAULT_MODEL", "RealtimeSessionConfig", "SentUpdate", "SessionConfigInput", "SessionSettings"]


@named_fields
@frozen()
class RealtimeSessionConfig:
    """Settings of a session. What is `UNSET` keeps its default, or in an update its value.

    Attributes:
        model: The model; ``connect(model=...)`` wins over it.
        instructions: The system prompt; ``""`` clears it.
        output_modalities: ``["audio"]``, which brings a transcript, or ``["text"]``.
        audio: Formats, noise reduction, transcription, turn detection, voice and speed, as the class or a mapping.
        voice: Short for ``audio.output.voice``, which wins over it.
        tools: Functions and MCP servers; ``[]`` clears them.
        tool_choice: ``"auto"``, ``"none"``, ``"required"``, or one tool.
        parallel_tool_calls: The model may make several calls at once.
        reasoning: Settings of reasoning models.
        prompt: A prompt stored with the vendor: ``prompt_id`` (or ``id``), ``version``, ``variables``.
        tracing: ``"auto"`` (the default), labels for the vendor's traces, or ``None`` for none. Takes effect
            on connecting only.
        provider_data: Further fields of the session, sent as they are.
    """

    model: str | Unset | None = UNSET
    instructions: str | Unset | None = UNSET
    output_modalities: Sequence[str] | Unset | None = UNSET
    audio: SessionAudio | Mapping[str, Any] | Unset | None = UNSET
    voice: str | Mapping[str, Any] | Unset | None = UNSET
    tools: Sequence[Tool | Mapping[str, Any]] | Unset | None = UNSET
    tool_choice: ToolChoice | Mapping[str, Any] | Unset | None = UNSET
    parallel_tool_calls: bool | Unset | None = UNSET
    reasoning: Reasoning | Mapping[str, Any] | Unset | None = UNSET
    prompt: PromptReference | Mapping[str, Any] | Unset | None = UNSET
    tracing: TracingConfig | Mapping[str, Any] | str | Unset | None = UNSET
    provider_data: Mapping[str, Any] | Unset | None = UNSET


SessionConfigInput: TypeAlias = RealtimeSessionConfig | Mapping[str, Any]

Settings: TypeAlias = dict[str, Any]
"""The flat form: one entry per setting that was given, under the names of `RULES`, as plain JSON values."""

MAX_UNANSWERED = 64
"""Updates that may wait for the server's answer before the oldest counts as taken: some servers never answer."""


@frozen(kw_only=False, eq=False)
class SentUpdate:
    """A change of the session that was sent. The server may still refuse it.

    Attributes:
        settings: The settings that it names.
        reset: Whether it starts from the defaults.
    """

    settings: Settings
    reset: bool = False

    def applied_to(self, before: Settings) -> Settings:
        """The settings after the update."""
        return self.settings if self.reset else {**before, **self.settings}


@define()
class SessionSettings:
    """The settings of one connection: builds its ``session.update`` payloads and remembers what was sent.

    Args:
        model: The model of the connection.
        default_format: The audio format, both ways, where none is named.
        fixed_formats: The sides (``"input"``, ``"output"``) whose format stays what the session was opened with.
        session_defaults: The settings sent where the caller gave none.
    """

    _model: str = DEFAULT_MODEL
    _default_format: AudioFormat = AudioFormat.PCM24K
    _fixed_formats: frozenset[str] = frozenset()
    _session_defaults: SessionDefaults = attrs.field(default=VENDOR_DEFAULTS, alias="session_defaults")
    _taken: Settings = attrs.field(factory=dict[str, Any], init=False)
    _unanswered: list[SentUpdate] = attrs.field(factory=list[SentUpdate], init=False)
    _tracing: Any = attrs.field(default=UNSET, init=False)

    @property
    def model(self) -> str:
        """The model that the next ``session.update`` names."""
        return self._model

    @model.setter
    def model(self, model: str) -> None:
        self._model = model
        for settings in (self._taken, *(update.settings for update in self._unanswered)):
            settings.pop("model", None)

    @property
    def tracing(self) -> Any:
        """The tracing that the connection was opened with; `UNSET` if its configuration did not say."""
        return self._tracing

    def start(self, config: SessionConfigInput) -> dict[str, Any]:
        """The payload that opens a session.

        The model of the connection wins over the configuration's, except with `NO_DEFAULTS`.

        Raises:
            ConfigError: A setting has a wrong type or value.
        """
        settings = read_settings(config)
        if self._session_defaults.rest:
            settings.pop("model", None)
        self._taken, self._unanswered = {}, [SentUpdate(settings, reset=True)]
        self._tracing = settings.get("tracing", UNSET)
        return self._payload(settings)

    def update(self, config: SessionConfigInput, *, reset: bool) -> dict[str, Any]:
        """The payload that changes the session. It counts as sent; `refused` takes it back.

        Args:
            config: What to change.
            reset: Start from the defaults rather than from what was sent before.

        Raises:
            ConfigError: A setting has a wrong type or value. Nothing has changed.
        """
        update = SentUpdate(read_settings(config), reset=reset)
        settings = update.applied_to(self._sent)
        self._refuse_other_formats(settings)
        payload = self._payload(settings, first=reset)
        self._unanswered.append(update)
        if len(self._unanswered) > MAX_UNANSWERED:
            self.taken(self._unanswered[0])
        return payload

    @property
    def newest_update(self) -> SentUpdate:
        """The update that `start` or `update` has made last."""
        return self._unanswered[-1]

    def taken(self, update: SentUpdate) -> None:
        """Note that the server accepted *update*, and every earlier one that it has not refused."""
        if update in self._unanswered:
            count = self._unanswered.index(update) + 1
            for each in self._unanswered[:count]:
                self._taken = each.applied_to(self._taken)
            del self._unanswered[:count]

    def refused(self, update: SentUpdate) -> None:
        """Note that the server refused *update*: later ones do not build on it."""
        if update in self._unanswered:
            self._unanswered.remove(update)

    @property
    def _sent(self) -> Settings:
        settings = self._taken
        for update in self._unanswered:
            settings = update.applied_to(settings)
        return settings

    def _refuse_other_formats(self, settings: Settings) -> None:
        usual = self._default_format.to_wire()
        for side in sorted(self._fixed_formats):
            before, after = (each.get(f"{side}_format") or usual for each in (self._sent, settings))
            if after != before:
                end = "source" if side == "input" else "sink"
                raise ConfigError(
                    f"audio.{side}.format: cannot change while the transport has an audio {end}; "
                    "connect again with the new format",
                    key=f"audio.{side}.format",
                )

    def preview(self, config: SessionConfigInput) -> dict[str, Any]:
        """The payload that *config* alone gives. Nothing changes.

        Raises:
            ConfigError: A setting has a wrong type or value.
        """
        return self._payload(read_settings(config))

    def _payload(self, settings: Settings, *, first: bool = True) -> dict[str, Any]:
        """The ``session`` that *settings* give; a *first* one also names what a later one leaves unchanged."""
        session: dict[str, Any] = {"type": "realtime"}
        self._put(session, settings, "model", self._model)
        self._put(session, settings, "output_modalities", ["audio"])
        audio = {"input": self._input(settings, first=first), "output": self._output(settings)}
        if self._session_defaults.rest or any(audio.values()):
            session["audio"] = {side: entries for side, entries in audio.items() if entries}
        for name in ("instructions", "parallel_tool_calls"):  # their null is sent, that of the others is not
            if name in settings:
                session[name] = settings[name]
        for name in ("tool_choice", "reasoning"):
            if settings.get(name) is not None:
                session[name] = settings[name]
        session.update(settings.get("provider_data") or {})
        for name in ("prompt", "tools"):
            if settings.get(name) is not None:
                session[name] = settings[name]
        return session

    def _put(self, target: dict[str, Any], settings: Settings, name: str, default: Any) -> None:
        """Name a setting whose null counts as not given."""
        given = settings.get(name)
        if given is not None or self._session_defaults.rest:
            target[name] = default if given is None else given

    def _input(self, settings: Settings, *, first: bool) -> dict[str, Any]:
        audio: dict[str, Any] = {}
        self._put_format(audio, settings.get("input_format"))
        # Null switches it off, and a strength that was set elsewhere is lost if it is named again.
        if "noise_reduction" in settings or (first and self._session_defaults.rest):
            audio["noise_reduction"] = settings.get("noise_reduction")
        for name in ("transcription", "turn_detection"):
            value = settings.get(name, getattr(self._session_defaults, name))
            if value is not UNSET:
                audio[name] = value
        return audio

    def _output(self, settings: Settings) -> dict[str, Any]:
        audio: dict[str, Any] = {}
        self._put_format(audio, settings.get("output_format"))
        self._put(audio, settings, "speed", 1)
        if settings.get("voice") is not None:
            audio["voice"] = settings["voice"]
        return audio

    def _put_format(self, audio: dict[str, Any], given: Any) -> None:
        unusual = self._session_defaults is not NO_DEFAULTS and self._default_format != AudioFormat.PCM24K
        if given is not None or self._session_defaults.formats or unusual:
            audio["format"] = self._default_format.to_wire() if given is None else given


def read_settings(config: object) -> Settings:
    """Check *config* and bring it into the flat form.

    Raises:
        ConfigError: A setting has a wrong type or value, or old and new names are mixed.
    """
    given = _named(config, "")
    _refuse_mixture(given)
    settings: Settings = {}
    passed: dict[str, Any] = {}
    for name, (key, entry) in given.items():
        if name == "audio":
            settings |= _read_audio(entry, key)
        elif name in LEGACY_NAMES:
            _store(settings, LEGACY_NAMES[name], entry, key)
        elif name in RULES and name not in NESTED:
            if name != "voice" or settings.get("voice") is None:  # the nested one, which came first, wins
                _store(settings, name, entry, key)
        elif name in PASSED_ON:
            passed[name] = plain(entry, key)
        elif name != "type" or entry != "realtime":
            raise _unknown(key, name, (*RULES.keys() - NESTED, "audio", *LEGACY_NAMES, *PASSED_ON))
    if passed:
        settings["provider_data"] = {**passed, **(settings.get("provider_data") or {})}
    return settings


def _unknown(path: str, name: str, known: Iterable[str]) -> ConfigError:
    near = get_close_matches(name, sorted(set(known)), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "provider_data= sends further fields as they are"
    return ConfigError(f"{path}: there is no such setting; {hint}", key=path)


Named: TypeAlias = dict[str, tuple[str, object]]
"""Settings by their name in snake_case, with the path under which the user wrote them."""


def _named(config: object, prefix: str) -> Named:
    if isinstance(config, RealtimeSessionConfig):
        config = {field.name: getattr(config, field.name) for field in attrs.fields(RealtimeSessionConfig)}
    elif isinstance(config, WireModel):
        config = plain(config, prefix)
    if not isinstance(config, Mapping):
        raise wrong(prefix.removesuffix("."), "a mapping", config)
    named: Named = {}
    # What is nested comes first: audio.output.voice wins over voice.
    for key, entry in sorted(cast("Mapping[Any, Any]", config).items(), key=lambda pair: pair[0] != "audio"):
        if not isinstance(key, str):
            raise ConfigError(f"the name of a setting is text, not {key!r}", key=prefix)
        name, path = _snake(key), f"{prefix}{key}"
        if entry is UNSET:
            continue
        if name in named:
            raise ConfigError(f"{path}: given twice, also as {named[name][0]}", key=path)
        named[name] = (path, entry)
    return named


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def _refuse_mixture(given: Named) -> None:
    legacy = [key for name, (key, _) in given.items() if name in LEGACY_NAMES]
    new = [key for name, (key, _) in given.items() if name in ("audio", "output_modalities")]
    if legacy and new:
        raise ConfigError(f"{legacy[0]}: a name of the beta protocol cannot be mixed with {new[0]}", key=legacy[0])


def _read_audio(audio: object, key: str) -> Settings:
    settings: Settings = {}
    if audio is None:
        return settings
    for side, (side_key, entries) in _named(audio, f"{key}.").items():
        names = AUDIO_NAMES.get(side)
        if names is None:
            raise _unknown(side_key, side, AUDIO_NAMES)
        if entries is not None:
            for name, (path, entry) in _named(entries, f"{side_key}.").items():
                if name not in names:
                    raise _unknown(path, name, names)
                _store(settings, names[name], entry, path)
    return settings


def _store(settings: Settings, name: str, entry: object, key: str) -> None:
    value = RULES[name](plain(entry, key), key)
    if value is not UNSET:
        settings[name] = value
