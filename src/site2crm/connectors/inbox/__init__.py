"""The Test inbox: keeps what a CRM would have received, and refuses what a CRM would refuse. No account needed."""
