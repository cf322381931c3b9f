"""Configuration: sections, layers, schema, and what may change while the node runs."""
