"""What is kept: issued cards, feedback, used tokens."""
