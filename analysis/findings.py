"""What an analysis of a recording gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from pfc_da.analysis.comparison.published import Comparison
from pfc_da.analysis.figures.panel import Panel
from pfc_da.analysis.statistic import Statistic


@dataclass(frozen=True)
class Findings:
    """Statistics, and what is drawn of them.

    Attributes
    ----------
    statistics : list of Statistic
    figures : sequence of Panel
        In the order of the report.
    tables : mapping of str to DataFrame
        Tables kept with the figures and not drawn there: ``units`` and ``unit_activity``, for the browser of units.
    comparisons : sequence of Comparison
        Of the statistics with references, where the analysis makes them itself, as that of a replay on demand does.
    text : str
        What the command prints.
    """

    statistics: list[Statistic]
    figures: Sequence[Panel] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    comparisons: Sequence[Comparison] = ()
    text: str = ""
