"""One module a verb, each with a click `command`; imported by cli.py when the verb is used."""
