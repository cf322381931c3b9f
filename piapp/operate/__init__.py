"""What an owner does besides running a node: check, provision, demo, forget."""
