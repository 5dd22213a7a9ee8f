"""The clinical content as FHIR R4 resources, for machines of others."""
