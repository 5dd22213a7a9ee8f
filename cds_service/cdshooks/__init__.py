"""The CDS Hooks protocol alone; knows nothing of heterotopic ossification."""
