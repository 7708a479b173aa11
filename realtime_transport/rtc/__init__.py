"""WebRTC for both ends, with aiortc.

aiortc runs on asyncio only. What runs there (`peer`, `outgoing`, `incoming`) is reached through a `host`, natively or
in a thread; `jitter` and `waveform` are arithmetic without I/O.
"""
