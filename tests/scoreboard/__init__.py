"""`make scoreboard`: what the product promises when everything around it fails, tried out and counted."""
