"""The server: sockets, HTTP, WebRTC calls, admission and faults."""
