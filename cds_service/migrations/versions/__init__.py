"""One file per revision, in order. A released file never changes."""
