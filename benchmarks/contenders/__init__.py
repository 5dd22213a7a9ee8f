"""What the service is measured against. Each module has an ASGI application `app`."""
