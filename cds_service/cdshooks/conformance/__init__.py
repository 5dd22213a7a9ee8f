"""What CDS Hooks asks of messages, as rules over plain JSON; shared by `validate` and `doctor`."""
