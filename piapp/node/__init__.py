"""The node: what runs from start to stop, put together from all parts."""
