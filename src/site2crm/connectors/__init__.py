"""The way into the CRMs: one contract, a registry of kinds, one folder per kind.

`contract.py` is what delivery and the pages know; no vendor's word leaves its folder.
"""
