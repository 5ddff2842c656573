"""The database is lost, and with `both` the store, too: restored from a backup that was made in the middle of the load,
and reconciled as the handbook says: senders are asked for all again, people say again whose it is."""

import shutil
import time
from pathlib import Path

from tests.chaos.load import Load
from tests.chaos.world import World


class Loss:
    """`what` is `database` or `both`."""

    def __init__(self, world: World, what: str) -> None:
        self._world = world
        self._what = what
        self._backup = world.folder / "backup"

    def back_up(self) -> str:
        """Made while all is at work; a broker or a database that is away is waited for."""
        shutil.copy(self._world.gateway.data / "secret.key", self._world.folder / "key")
        for attempt in range(10):
            said = self._world.gateway.fiona("backup", str(self._backup), "--files")
            if said.returncode == 0:
                return "made" + (f" at the {attempt + 1}. try" if attempt else "")
            shutil.rmtree(self._backup, ignore_errors=True)
            time.sleep(3)
        raise AssertionError(said.stdout + said.stderr)

    def strike(self) -> str:
        """All is lost, and comes back as it was when the backup was made; what the command said."""
        world, gateway = self._world, self._world.gateway
        gateway.kill()
        world.heal(services=False)
        database = world.postgres.fresh_database()
        gateway.change(FIONA_DATABASE_URL=database)
        world.rabbitmq.lose_everything()
        if self._what == "both":
            _empty(gateway.data)
            shutil.copy(world.folder / "key", gateway.data / "secret.key")
        said = gateway.fiona("restore", str(self._backup))
        gateway.start()
        if said.returncode != 0:
            raise AssertionError(said.stdout + said.stderr)
        return said.stdout

    def reconcile(self, load: Load) -> None:
        """Everything is sent again, and assigned again; what is known is recognised."""
        load.again()


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink()
