"""``realtime-transport talk``: a conversation by microphone and loudspeaker."""
