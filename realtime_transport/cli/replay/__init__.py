"""``realtime-transport replay``: recordings into a session, what comes back on the terminal and in files."""
