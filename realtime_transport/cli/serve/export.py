"""The recordings that the emulator's console offers for download."""

from __future__ import annotations

import io
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from realtime_transport.recording import Close, Frame, Header, Open
from realtime_transport.recording.scrub import Scrubber
from realtime_transport.recording.writer import RecordingWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from realtime_transport.emulator import SessionRecord

__all__ = ["zipped_recording"]


def zipped_recording(record: SessionRecord, messages: Sequence[tuple[float, str, str]]) -> bytes:
    """The ZIP file of a recording, ``SESSION.rtrec``, with the *messages* of a session. Blocks on the disk.

    Args:
        record: The session.
        messages: Seconds, ``"client"`` or ``"server"``, and the text of each message.

    Raises:
        OSError: There is no room for it.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{record.id}.rtrec"
        writer = RecordingWriter(path, Header(started=started, redacted=("keys",)), Scrubber(), "keep")
        t = 0.0
        writer.put(Open(t=t))
        for t, who, text in messages:
            writer.put(Frame(t=t, direction="sent" if who == "client" else "received", text=text))
        if not record.is_open:
            writer.put(Close(t=t, code=record.close_code, reason=record.close_reason))
        writer.close()
        if writer.error is not None:
            raise writer.error
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path.rglob("*")):
                archive.write(file, file.relative_to(folder))
    return packed.getvalue()
