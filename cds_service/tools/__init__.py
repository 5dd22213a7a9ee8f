"""For integrators: each usable as a library, without the command line."""
