"""The medicine, without FHIR, HTTP, files or clock."""
