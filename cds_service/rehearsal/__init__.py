"""Replays past orders of a Bulk FHIR export: what the service would have said, and how often."""
