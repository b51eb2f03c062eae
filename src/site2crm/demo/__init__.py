"""CRMs that can be tried out without an account: stateful servers on loopback that refuse what the vendors refuse.

`site2crm demo` runs the product against them, and so do its tests, which also check each request and each answer
against the vendors' own documents.
"""
