"""The session configuration: what a caller may write, the rules that turn it into a payload, and tracing."""
