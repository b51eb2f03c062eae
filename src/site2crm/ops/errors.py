"""What operations refuse."""

from site2crm.core.errors import Forbidden


class FiguresWithheld(Forbidden):
    """Of `/metrics`, which programs ask: none of them reads a page."""

    code, title = "figures_withheld", "These figures are for this machine, or for who has the token"
    is_for_programs = True
