"""Transports for speech-to-speech models that speak the OpenAI Realtime protocol."""
