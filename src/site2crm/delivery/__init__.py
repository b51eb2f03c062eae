"""From the lead to the CRM: one delivery per submission and connection, retried until the CRM has it.

The delivery row is the truth; jobs only wake it. An attempt is written before the call and after it.
"""
