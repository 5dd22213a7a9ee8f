"""Tests that start real programs: installers, servers, databases, browsers."""
