"""Tools: made from a function or a schema, with checked arguments and a context."""
