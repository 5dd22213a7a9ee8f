"""What shows this service in the CDS Hooks Sandbox: a FHIR server, patients, the hip card."""
