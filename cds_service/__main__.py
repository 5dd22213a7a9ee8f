"""`python -m cds_service` is the same as `cds-service`."""

from cds_service.cli.main import main

if __name__ == "__main__":
    main()
