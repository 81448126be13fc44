"""Writes spooled usage records into the database: `manage.py replay_spool`."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import Error

from billing.services import replay_spools
from billing.services.spooled import set_aside_count, spools_of_other_databases
from billing.spool import ASIDE, spool_folder


class Command(BaseCommand):
    """Does at once what the worker does every minute, and says what is left."""

    help = (
        "Writes the usage records into the database that processes spooled while it failed, and that those which have"
        " ended left. Processes that run do this themselves. May be run at any time; no record is written twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose spools."""
        parser.add_argument(
            "--of",
            metavar="FOLDER",
            help="spools of another database, as this command names them: for one whose address has changed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Replays and tells. Raises `CommandError` when it could not, or when records wait for a person."""
        others = spools_of_other_databases()
        if options["of"] is not None and options["of"] not in others:
            raise CommandError(f"There is no folder {options['of']!r} with spools.")
        folder = spool_folder()
        try:
            done = replay_spools(folder.parent / options["of"] if options["of"] else folder)
        except Error as error:
            # Never the text: a database's message may quote a row.
            raise CommandError(f"The database does not take them ({type(error).__name__}). Nothing is lost.") from None
        except OSError as error:
            raise CommandError(f"The spool cannot be read ({error.strerror or type(error).__name__}).") from None
        self.stdout.write(f"Replayed: {counted(done.spools, 'spool')}, {counted(done.records, 'record')}.")
        if done.held:
            self.stdout.write(f"In use: {counted(done.held, 'spool')}; the process that runs replays it itself.")
        for name, count in spools_of_other_databases().items():
            self.stdout.write(f"Of another database: {counted(count, 'spool')}; --of {name} writes them into this one.")
        if aside := set_aside_count():
            raise CommandError(f"Set aside: {counted(aside, 'record')} that could not be written, in {where(folder)}.")


def counted(count: int, noun: str) -> str:
    """`1 spool`, `2 spools`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def where(folder: Path) -> str:
    """The file that a person should look at, from VAR_DIR on."""
    return str(Path("VAR_DIR", *folder.parts[-2:], ASIDE))
