"""The command line: one thin file per command, options in, exit code out."""
