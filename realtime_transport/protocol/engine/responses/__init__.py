"""Which responses run, when one may be asked for, and what has been asked and is not answered yet."""
