"""Agents of other frameworks over our transports: ``nox -s adapters``, which installs the frameworks."""
