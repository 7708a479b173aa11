"""Checks requests as the service does."""
