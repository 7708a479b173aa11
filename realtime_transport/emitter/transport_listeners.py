"""The arguments of a transport's listeners, for type checkers.

An unknown name is an error, and the argument of a listener has the class of its event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..protocol.engine import events
    from ..protocol.wire import server_events as server

__all__ = ["ListenToTransport"]

Owner = TypeVar("Owner", covariant=True)


class ListenToTransport(Protocol[Owner]):
    """The type of ``on``, ``once`` and ``off`` of an emitter of a transport."""

    @overload
    def __call__(self, event: Literal["*"], listener: Callable[[Mapping[str, Any]], object], /) -> Owner: ...
    @overload
    def __call__(self, event: Literal["audio"], listener: Callable[[events.AudioEvent], object], /) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["audio_done"], listener: Callable[[events.AudioDoneEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["audio_interrupted"], listener: Callable[[events.AudioInterruptedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["audio_transcript_delta"],
        listener: Callable[[events.AudioTranscriptDeltaEvent], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["connected"], listener: Callable[[events.ConnectedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["connection_change"], listener: Callable[[events.ConnectionChangeEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["disconnected"], listener: Callable[[events.DisconnectedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Callable[[events.ErrorEvent], object], /) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["function_call"], listener: Callable[[events.FunctionCallEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["item_deleted"], listener: Callable[[events.ItemDeletedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["item_update"], listener: Callable[[events.ItemUpdateEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["mcp_approval_request"], listener: Callable[[events.McpApprovalRequestEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["mcp_tool_call_completed"],
        listener: Callable[[events.McpToolCallCompletedEvent], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["mcp_tools_listed"], listener: Callable[[events.McpToolsListedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["output_text_delta"], listener: Callable[[events.OutputTextDeltaEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(self, event: Literal["turn_done"], listener: Callable[[events.TurnDoneEvent], object], /) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["turn_started"], listener: Callable[[events.TurnStartedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["usage_update"], listener: Callable[[events.UsageUpdateEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["session.created"], listener: Callable[[server.SessionCreated], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["session.updated"], listener: Callable[[server.SessionUpdated], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["conversation.created"], listener: Callable[[server.ConversationCreated], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.created"],
        listener: Callable[[server.ConversationItemCreated], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["conversation.item.added"], listener: Callable[[server.ConversationItemAdded], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["conversation.item.done"], listener: Callable[[server.ConversationItemDone], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.retrieved"],
        listener: Callable[[server.ConversationItemRetrieved], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.truncated"],
        listener: Callable[[server.ConversationItemTruncated], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.deleted"],
        listener: Callable[[server.ConversationItemDeleted], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.input_audio_transcription.delta"],
        listener: Callable[[server.ConversationItemInputAudioTranscriptionDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.input_audio_transcription.completed"],
        listener: Callable[[server.ConversationItemInputAudioTranscriptionCompleted], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.input_audio_transcription.segment"],
        listener: Callable[[server.ConversationItemInputAudioTranscriptionSegment], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["conversation.item.input_audio_transcription.failed"],
        listener: Callable[[server.ConversationItemInputAudioTranscriptionFailed], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["input_audio_buffer.committed"],
        listener: Callable[[server.InputAudioBufferCommitted], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["input_audio_buffer.cleared"],
        listener: Callable[[server.InputAudioBufferCleared], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["input_audio_buffer.speech_started"],
        listener: Callable[[server.InputAudioBufferSpeechStarted], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["input_audio_buffer.speech_stopped"],
        listener: Callable[[server.InputAudioBufferSpeechStopped], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["input_audio_buffer.timeout_triggered"],
        listener: Callable[[server.InputAudioBufferTimeoutTriggered], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["input_audio_buffer.dtmf_event_received"],
        listener: Callable[[server.InputAudioBufferDtmfEventReceived], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["output_audio_buffer.started"],
        listener: Callable[[server.OutputAudioBufferStarted], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["output_audio_buffer.stopped"],
        listener: Callable[[server.OutputAudioBufferStopped], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["output_audio_buffer.cleared"],
        listener: Callable[[server.OutputAudioBufferCleared], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["rate_limits.updated"], listener: Callable[[server.RateLimitsUpdated], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["response.created"], listener: Callable[[server.ResponseCreated], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["response.done"], listener: Callable[[server.ResponseDone], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_item.added"],
        listener: Callable[[server.ResponseOutputItemAdded], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_item.done"],
        listener: Callable[[server.ResponseOutputItemDone], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.content_part.added"],
        listener: Callable[[server.ResponseContentPartAdded], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.content_part.done"],
        listener: Callable[[server.ResponseContentPartDone], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_text.delta"],
        listener: Callable[[server.ResponseOutputTextDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_text.done"],
        listener: Callable[[server.ResponseOutputTextDone], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_audio_transcript.delta"],
        listener: Callable[[server.ResponseOutputAudioTranscriptDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_audio_transcript.done"],
        listener: Callable[[server.ResponseOutputAudioTranscriptDone], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_audio.delta"],
        listener: Callable[[server.ResponseOutputAudioDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.output_audio.done"],
        listener: Callable[[server.ResponseOutputAudioDone], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.function_call_arguments.delta"],
        listener: Callable[[server.ResponseFunctionCallArgumentsDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.function_call_arguments.done"],
        listener: Callable[[server.ResponseFunctionCallArgumentsDone], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.mcp_call_arguments.delta"],
        listener: Callable[[server.ResponseMcpCallArgumentsDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.mcp_call_arguments.done"],
        listener: Callable[[server.ResponseMcpCallArgumentsDone], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.mcp_call.in_progress"],
        listener: Callable[[server.ResponseMcpCallInProgress], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["response.mcp_call.completed"],
        listener: Callable[[server.ResponseMcpCallCompleted], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["response.mcp_call.failed"], listener: Callable[[server.ResponseMcpCallFailed], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["mcp_list_tools.in_progress"],
        listener: Callable[[server.McpListToolsInProgress], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["mcp_list_tools.completed"], listener: Callable[[server.McpListToolsCompleted], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["mcp_list_tools.failed"], listener: Callable[[server.McpListToolsFailed], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["session.closed"], listener: Callable[[server.SessionClosed], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["session.input_transcript.delta"],
        listener: Callable[[server.SessionInputTranscriptDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["session.output_transcript.delta"],
        listener: Callable[[server.SessionOutputTranscriptDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["session.output_audio.delta"],
        listener: Callable[[server.SessionOutputAudioDelta], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(self, event: Literal["ping"], listener: Callable[[server.Ping], object], /) -> Owner: ...
