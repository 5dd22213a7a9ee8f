"""One file per revision, numbered in order. A released file never changes.

Revisions only add, so that a worker of the version before goes on with the newer schema.
"""
