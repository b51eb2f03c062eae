"""Who may do what: users, their orgs and roles, invites, API keys, sessions.

An org is one client of the agency. A user belongs to any number of them, with one role in each.
"""
