"""The command settings: what can be set, and to what."""

import shutil

from pfc_da.cli.options import Network, ParadigmIfAny, Rule

WIDEST = 100


def settings(paradigm: ParadigmIfAny = None, network: Network = None, rule: Rule = None) -> None:
    """Show all settings with their default, range and unit."""
    from pfc_da.cli.settings_table import format_text, list_settings
    from pfc_da.settings import resolve

    if paradigm:
        from pfc_da import paradigms

        experiment = paradigms.load(paradigm)
        rows = list_settings(experiment.settings(network=network, rule=rule), experiment.task)
    else:
        given = {"network": network, "rule": rule}
        kinds = {group: {"kind": kind} for group, kind in given.items() if kind is not None}
        rows = list_settings(resolve([{"paradigm": ""}], options=kinds))
    print(format_text(rows, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)))
    if not paradigm:
        print("\n'pfc-da settings PARADIGM' shows the defaults of a paradigm and the settings of its task.")
    print("'--network' and '--rule' show those of another kind. --set SETTING=VALUE changes one.")
