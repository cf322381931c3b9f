"""What leaves the node and how: topic names, payloads, the outbox, and the thread that owns the connection."""
