"""Answers an integrator's question "is my FHIR right?": structure, content, and what would come.

    from cds_service.validate.engine import Options, Validator

    report = Validator(Options(release="R4")).check(data, "request.json")

Nothing is imported here, so that the service does not load what only the commands need.
"""
