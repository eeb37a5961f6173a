"""The bar that both live displays begin with.

Rule: imported only where it is shown, because rich may not be installed.
"""

from __future__ import annotations

from rich.progress_bar import ProgressBar
from rich.table import Table

GAP = 2


def bar(ended: int, total: int, elapsed: float, *, may_grow: bool = False) -> Table:
    """Draw how many jobs of all have ended, and the seconds since the beginning.

    Args:
        ended: how many have ended.
        total: how many there are.
        elapsed: seconds since the beginning.
        may_grow: whether more jobs may come.
    """
    row = Table.grid(padding=(0, GAP, 0, 0), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right")
    row.add_column(justify="right", min_width=len("00.0 s"), style="dim")
    known = f"{total} or more" if may_grow else f"{total}"
    row.add_row(ProgressBar(total=max(total, 1), completed=ended), f"{ended} of {known} ended", f"{elapsed:.1f} s")
    return row
