"""Links: short addresses that lead on to a website and count who came.

`redirect` answers a click from memory, ahead of the router; `service` makes and changes links; `registry` holds them.
"""
