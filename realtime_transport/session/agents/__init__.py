"""Agents as the application writes them, and as one connection uses them."""
