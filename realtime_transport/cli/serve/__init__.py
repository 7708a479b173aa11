"""``realtime-transport serve``: the emulator as a process, with its console."""
