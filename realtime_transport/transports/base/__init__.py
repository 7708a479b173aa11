"""`OpenAIRealtimeBase`: runs any endpoint, one attempt after the other."""
