"""What a model can call: made from a function or a schema, checked, and told about the session."""
