"""`python -m site2crm`."""

from site2crm.cli import main

if __name__ == "__main__":
    main()
