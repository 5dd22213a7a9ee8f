"""CDS Hooks service that warns of heterotopic ossification before hip surgery is signed."""

__version__ = "0.1.0"
