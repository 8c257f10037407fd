"""Conversion of value to choice: units that code the value of an object and later in the trial its choice.

In each phase of the trial, activity is regressed on object value and choice together
(`selectivity.regress_units` with a phase dimension). A unit converts if it codes value in some phase and
choice, for the first time, in a later one. Recorded: 46 % of value-coding neurons (Tsutsui et al. 2016).
A population full of choice units gives a large fraction of conversions by chance. What chance gives is found with the units
that do not code value: each is given the first value phase of every value unit in turn. If coding value says nothing about
coding choice, the two fractions are alike.

References
----------
Tsutsui, Grabenhorst, Kobayashi & Schultz (2016) Nat Commun 7:12554, doi 10.1038/ncomms12554.
"""

from dataclasses import dataclass

import numpy as np

from pfc_da.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ValueToChoice:
    """First phases of value and choice coding, and what follows from them; fractions are NaN if of
    nothing."""

    value_phase: np.ndarray
    """(unit,) first phase coding object value, -1 for none."""
    choice_phase: np.ndarray
    """(unit,) first phase coding choice, -1 for none."""

    @property
    def codes_value(self) -> np.ndarray:
        """Units that code object value in some phase, (unit,) bool."""
        return self.value_phase >= 0

    @property
    def converts(self) -> np.ndarray:
        """Units that code value first and choice in a later phase, (unit,) bool."""
        return self.codes_value & (self.choice_phase > self.value_phase)

    @property
    def fraction_converting(self) -> float:
        """Fraction of value units that convert."""
        return _fraction(self.converts, self.codes_value)

    @property
    def fraction_by_chance(self) -> float:
        """Fraction of the units without value that convert, each given the value phase of every value unit in turn."""
        later = self.choice_phase[~self.codes_value, None] > self.value_phase[self.codes_value]
        return float(later.mean()) if later.size else float("nan")


def find_value_to_choice(codes_value: np.ndarray, codes_choice: np.ndarray) -> ValueToChoice:
    """Find in which phase each unit first codes value and choice.

    Parameters
    ----------
    codes_value, codes_choice : (phase, unit) bool
        For instance ``control_false_discoveries(compute_any_p(p[:2]))`` of the p-values (regressor, phase,
        unit) of both objects' values; phases in the order of the trial.

    Returns
    -------
    ValueToChoice
    """
    codes_value, codes_choice = np.asarray(codes_value), np.asarray(codes_choice)
    for name, codes in (("codes_value", codes_value), ("codes_choice", codes_choice)):
        if codes.ndim != 2 or codes.dtype != bool or codes.shape != codes_value.shape:
            raise InputError(
                f"{name} must be (phase, unit) of bool, both of one shape, got {codes.dtype} {codes.shape}. "
                "(p-values? Write p <= 0.05.)"
            )
    return ValueToChoice(value_phase=_first(codes_value), choice_phase=_first(codes_choice))


def _first(codes: np.ndarray) -> np.ndarray:
    return np.where(codes.any(axis=0), codes.argmax(axis=0), -1)


def _fraction(part: np.ndarray, whole: np.ndarray) -> float:
    return float(part[whole].mean()) if whole.any() else float("nan")
