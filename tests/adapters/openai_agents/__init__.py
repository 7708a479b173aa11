"""``openai-agents`` over our transports."""
