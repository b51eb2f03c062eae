"""Floor 1: the machine. Knows no word of the domain; imports kit only."""
