"""WebSocket links: the handshake, the frames, and the sockets below them."""
