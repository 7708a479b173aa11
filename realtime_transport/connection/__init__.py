"""One connection: a link, its tasks, the outbox, the subscriptions. Uses an engine only through its interface."""
