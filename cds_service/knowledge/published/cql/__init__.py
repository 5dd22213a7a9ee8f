"""The rules as CQL, generated from the content."""
