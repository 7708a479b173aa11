"""What a wire is, as data; what a connection is opened with; and the audio ends that every wire shares."""
