"""Why a backup could not be made, read or restored, in words for the person who has to go on."""


class BackupFailed(Exception):
    """Not made, or not restored. What was there before is still there."""


class Stopped(BackupFailed):
    """Given up because the server stops; the next start makes it."""


class CorruptArchive(BackupFailed):
    """Damaged, cut off, made by somebody else, or sealed with another key: nothing of it was used."""


class WrongKey(BackupFailed):
    """The key that is needed is not here."""


class NewerSchema(BackupFailed):
    """Made by a newer version: this one cannot go on from it."""
