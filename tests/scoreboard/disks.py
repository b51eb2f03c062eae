"""A file system in a file: one that can be copied as a power cut would leave it, and one that can be filled."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEGABYTE = 1 << 20


class NoDisk(Exception):
    """This machine makes none, and says why."""


def _run(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoDisk(f"{words[0]} is missing") from error
    if done.returncode:
        raise NoDisk(f"{words[0]}: {(done.stderr or done.stdout).strip() or done.returncode}")


class Disk:
    """ext4 on a loop device. What its kernel has not been told to flush is not in the file behind it."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self.path = folder / "disk"
        self._folder = folder
        self._image = folder / "image-0"
        self._copies = 0
        self.path.mkdir()
        with self._image.open("wb") as image:
            image.truncate(megabytes * MEGABYTE)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))  # -m 0: nothing is set aside for root
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.path))

    def remove(self) -> None:
        _run("umount", "-l", str(self.path))

    def photograph(self) -> Path:
        """The file behind it, as it is now. Who writes must stand still meanwhile."""
        self._copies += 1
        copy = self._folder / f"image-{self._copies}"
        _run("cp", "--sparse=auto", str(self._image), str(copy))
        return copy

    def become(self, image: Path) -> None:
        """Start again from a photograph: mounting it replays the file system's own journal, as a reboot does."""
        _run("umount", str(self.path))
        self._image.unlink()
        self._image = image
        self._mount()


@contextmanager
def a_disk(folder: Path, *, megabytes: int) -> Iterator[Disk]:
    """Raises NoDisk where loop devices cannot be mounted."""
    disk = Disk(folder, megabytes=megabytes)
    try:
        yield disk
    finally:
        disk.remove()
