"""The public pages of the instance: the front page, the help centre, the API reference."""
