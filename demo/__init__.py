"""`make demo`: the whole application on this computer, and a check of every claim that it makes."""
