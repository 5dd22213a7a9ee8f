"""Who calls, and whom the service calls."""
