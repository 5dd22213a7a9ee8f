"""The drills of `scripts/operate-drill`."""
