"""The rules of an agent session, without I/O."""
