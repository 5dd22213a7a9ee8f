"""Pages for people: the playground, the evidence behind a card, and insights."""
