"""What a transport offers: its members, and the calls that send."""
