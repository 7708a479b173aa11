"""A wire as data, the options of a connection, and the audio source and sink that every wire shares."""
