"""The command export: a run for other people's tools."""

from pfc_da.cli.ending import Ended, say
from pfc_da.cli.options import Again, ExportOut, ExportSpiking, Format, Run, Sessions
from pfc_da.errors import plural


def export(
    run: Run,
    format: Format,
    out: ExportOut = None,
    sessions: Sessions = None,
    spiking: ExportSpiking = False,
    force: Again = False,
) -> None:
    """Write a run as NWB, netCDF, zarr or CSV; or continue that."""
    from pfc_da.export import export_run

    replay = "spiking" if spiking else "rate"
    try:
        folder, written = export_run(run, format, out=out, sessions=sessions, replay=replay, force=force)
    except KeyboardInterrupt:
        raise Ended(130, "interrupted: what is written is whole; the same command continues.") from None
    done = f"{plural(len(written), 'file')} written" if written else "exported already; --force does it again"
    say(f"{folder}: {done}.")
