"""What came of the leads: owners, pipelines, deals and activities, read back from each org's CRMs.

Read in pages, a little behind the CRM, with what the delivery of leads leaves of its limit. A deal belongs to a lead
through the CRM's own record of the person.
"""
