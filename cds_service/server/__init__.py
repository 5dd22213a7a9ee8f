"""HTTP: ASGI in, ASGI out."""
