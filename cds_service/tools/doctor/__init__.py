"""Examines a CDS Hooks service, ours or another's, against the conformance checklist."""
