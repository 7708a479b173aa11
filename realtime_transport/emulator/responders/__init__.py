"""Responders, which decide what the model replies: the echo, directives in the text, scripts, and a voice."""
