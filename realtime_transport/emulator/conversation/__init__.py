"""A conversation as the service holds it: items, turns, responses and detection, without I/O."""
