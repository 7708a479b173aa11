"""The rules of the protocol for a client, without I/O: `engine.Engine` and the small machines it is built of."""
