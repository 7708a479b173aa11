"""Whether a request is one that the service would take."""
