"""Tests of the service; a package, so that tests share builders and the wire checker."""
