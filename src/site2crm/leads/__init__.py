"""People who asked for something: every submission as it came, and one lead per person and org.

The journal's consumer applies submissions here; deliveries begin at the `SubmissionAccepted` event.
"""
