"""Asks a FHIR terminology server what stands below the codes of the value sets."""
