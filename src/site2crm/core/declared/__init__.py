"""Orgs, forms and CRMs that stand in the configuration file: read, compared with the records, applied.

Features say what a table of `[[orgs]]` means (`Feature.declares`); here is what is common to all of them.
"""
