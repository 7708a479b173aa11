"""Agents of other frameworks on the transports of this package. Each adapter has its own module and extra.

Nothing is imported here: the module of an adapter loads its framework.
"""
