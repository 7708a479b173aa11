"""``realtime-transport doctor``: is everything there that a session needs?"""
