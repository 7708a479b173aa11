"""Agents of pydantic-ai over our transports."""
