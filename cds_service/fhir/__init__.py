"""Reads FHIR: one file per resource type, named like the resource."""
