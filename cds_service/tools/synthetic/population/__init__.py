"""Makes whole populations as a Bulk FHIR export, with what a rehearsal of them must find."""
