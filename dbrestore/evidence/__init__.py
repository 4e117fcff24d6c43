"""What a restore leaves for people: the evidence out of its documents, its page, and the page of what was proven in a quarter."""
