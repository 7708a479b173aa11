"""How much of a reply was heard: where we play it, and where the server does."""
