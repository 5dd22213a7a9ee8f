"""CDS Hooks service that warns of heterotopic ossification before hip surgery is signed."""

__version__ = "1.0.0.dev0"
