"""`site2crm` without the limits that we set ourselves where a vendor publishes none: what is measured is what reads."""

from dataclasses import replace

from site2crm.cli import main
from site2crm.connectors.registry import KINDS

KINDS["nutshell"] = replace(KINDS["nutshell"], limit=None)

if __name__ == "__main__":
    main()
