"""File systems that break: `install` puts one in the place of the only one that thalweg_io writes through."""
import os

from thalweg_io import atomic_file
from thalweg_io.atomic_file import FileSystem

CALLS = tuple(name for name, member in vars(FileSystem).items() if callable(member) and not name.startswith("_"))


def install(double):
    """Makes the one `files` object behave as `double`, in every module that has it; gives it."""
    atomic_file.files.__class__ = type(double)
    vars(atomic_file.files).update(vars(double))
    return atomic_file.files


def counted(cls):
    """Every call of the file system passes `before`, and `after` when it is done."""
    def method_of(name):
        def method(self, *args):
            self.before(name, *args)
            result = getattr(FileSystem, name)(self, *args)
            self.after(name, *args)
            return result
        return method

    for name in CALLS:
        setattr(cls, name, method_of(name))
    return cls


class Watched(FileSystem):
    def before(self, name, *args):
        pass

    def after(self, name, *args):
        pass


@counted
class Failing(Watched):
    """The `last_call`-th call raises OSError; if the fault `lasts`, as on a full disk, later ones that need room do.

    A write that fails has written half of its bytes.
    """

    def __init__(self, last_call, code, lasts=False):
        super().__init__()
        self.calls, self.last_call, self.code, self.lasts = 0, last_call, code, lasts

    def before(self, name, *args):
        self.calls += 1
        number, needs_room = self.calls - 1, name in ("create", "write", "sync")
        if number == self.last_call or (self.lasts and number > self.last_call and needs_room):
            if name == "write":
                os.write(args[0], memoryview(args[1])[:len(args[1]) // 2])
            raise OSError(self.code, os.strerror(self.code))


@counted
class Interrupting(Watched):
    """Ctrl-C at the `last_call`-th call."""

    def __init__(self, last_call):
        super().__init__()
        self.calls, self.last_call = 0, last_call

    def before(self, name, *args):
        self.calls += 1
        if self.calls - 1 == self.last_call:
            raise KeyboardInterrupt


@counted
class Disk(Watched):
    """Knows what survives a power cut: the bytes of a file at its last sync, the names of a folder at its last sync.

    After each call it notes what may be found after a cut at that moment:

    lost       everything since the syncs
    renamed    the names are as they are now, but bytes that were not synced are missing
    torn       the names are those after some of the changes since the folder's sync; of unsynced bytes a part is there
    """

    def __init__(self, folder, random, draws):
        super().__init__()
        self.folder, self.random, self.draws, self.acknowledged = folder, random, draws, 0
        self.synced, self.held = {}, {}              # inode -> bytes; -> descriptor, so that no number comes again
        self.names_synced, self.names_since = {}, {}                     # folder -> names, and the lists of them since
        self.states, self._seen = [], set()
        for top in self._folders():
            self.names_synced[top], self.names_since[top] = self._names(top), []
            for inode in self.names_synced[top].values():
                self.synced[inode] = self._bytes(inode)

    def after(self, name, *args):
        if name == "sync":
            inode = os.fstat(args[0]).st_ino
            self.synced[inode] = self._bytes(inode) if inode in self.held else _content(args[0])
        for top in self._folders():
            names = self._names(top)
            self.names_synced.setdefault(top, {})
            since = self.names_since.setdefault(top, [])
            if not since or since[-1] != names:
                since.append(names)
            if name == "sync_folder" and os.path.samefile(args[0] or ".", top):
                self.names_synced[top], self.names_since[top] = names, []
        self._note(f"{len(self.states)} after {name} {str(args)[:200]}")

    def _folders(self):
        return [top for top, _, _ in os.walk(self.folder)]

    def _names(self, top):
        names = {}
        for entry in os.scandir(top):
            if entry.is_file():
                inode = entry.inode()
                names[entry.name] = inode
                if inode not in self.held:
                    self.held[inode] = os.open(entry.path, os.O_RDONLY)
        return names

    def _bytes(self, inode):
        return _content(self.held[inode])

    def _note(self, moment):
        now = {top: self._names(top) for top in self._folders()}
        torn = [{top: self.random.choice([self.names_synced[top], *self.names_since[top]]) for top in now}
                for _ in range(self.draws)]
        for kind, names_of, content in (
                ("lost", {top: self.names_synced[top] for top in now}, self._synced_part),
                ("renamed", now, self._synced_part), *(("torn", names, self._torn_part) for names in torn)):
            state = {os.path.relpath(top, self.folder): {name: content(inode) for name, inode in names.items()}
                     for top, names in names_of.items()}
            key = (self.acknowledged, repr(sorted((top, sorted(files.items())) for top, files in state.items())))
            if key not in self._seen:
                self._seen.add(key)
                self.states.append((state, self.acknowledged, f"{kind}, {moment}"))

    def _synced_part(self, inode):
        return self.synced.get(inode, b"")

    def _torn_part(self, inode):
        synced, now = self.synced.get(inode, b""), self._bytes(inode)
        return now[:self.random.randint(min(len(synced), len(now)), len(now))]

    def write_states(self, folder):
        """Writes each state into a folder of its own: [(path, saves that had returned, how it came about)]."""
        written = []
        for number, (state, acknowledged, moment) in enumerate(self.states):
            place = f"{folder}/{number}"
            for top, files in state.items():
                os.makedirs(os.path.join(place, top), exist_ok=True)
                for name, data in files.items():
                    with open(os.path.join(place, top, name), "wb") as file:
                        file.write(data)
            written.append((place, acknowledged, moment))
        return written


def _content(descriptor):
    with open(f"/proc/self/fd/{descriptor}", "rb") as file:              # which may be deleted, or open for writing
        return file.read()
