"""Floor 0: pure functions without I/O. Imports nothing of ours."""
