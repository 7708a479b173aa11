"""One connection: a link, its tasks, the outbox, the subscriptions. Knows an engine only by its interface."""
