"""The live page: what the node sees now, for whoever may look. Imports starlette and uvicorn; loaded when enabled."""
