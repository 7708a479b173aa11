"""The interface of transports: their members, and the calls that send."""
