"""Settings, logs and metrics, for every room."""
