"""The wire as data: the classes of events, items and sessions, and the codec between them and JSON."""
