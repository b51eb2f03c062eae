"""Forms: what a website asks, and how whatever it posts becomes a normalised lead.

`normalise.normalise` is pure: bytes in, a lead out. It never refuses a body that can be parsed.
"""
