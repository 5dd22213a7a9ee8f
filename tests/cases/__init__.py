"""Clinical cases as data."""
