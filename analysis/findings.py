"""Results of an analysis of a recording."""

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
        Tables kept with the figures and not drawn there: those of the browser of units (`pfc_da.report.units`).
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

    @classmethod
    def join(cls, parts: Sequence["Findings"]) -> "Findings":
        """Statistics, figures and tables of several analyses of one recording, in their order."""
        tables = {name: table for part in parts for name, table in part.tables.items()}
        statistics = [statistic for part in parts for statistic in part.statistics]
        return cls(statistics, [panel for part in parts for panel in part.figures], tables)
