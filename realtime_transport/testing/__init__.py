"""Fakes, clocks and fixtures for the tests of programs that use this package, and for its own."""

from realtime_transport.testing.clock import ManualClock

__all__ = ["ManualClock"]
