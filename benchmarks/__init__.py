"""Measures the service beside others; `scripts/bench` runs it all."""
