"""What can be measured: one row per work."""


class Work:
    """One thing to measure.

    Attributes
    ----------
    name : str
    unit : str          of the figure
    better : "less" or "more"
    once : bool         not worth repeating (sizes)
    program : str       name of the function in worker programs; arguments follow in `arguments`
    """

    def __init__(self, name, unit, better, program, arguments=None, once=False, about=""):
        self.name, self.unit, self.better, self.once = name, unit, better, once
        self.program, self.arguments, self.about = program, arguments or {}, about


def _table():
    yield Work("import", "s", "less", "import_time", about="a new process imports the module; best of 3 a round")
    yield Work("install_size", "MB", "less", "install_size", once=True,
               about="files of the distributions, NumPy and BLAS apart")
    yield Work("build_10000", "s", "less", "build_nodes", {"count": 10000}, about="10,000 additions put into a graph")
    for length in (1, 10, 100, 1000):
        yield Work(f"run_{length}", "us", "less", "run_overhead", {"length": length},
                   about="Session.run of a chain of scalar additions, one feed, one fetch")
    for batch in (1, 100):
        yield Work(f"lenet_inference_{batch}", "images/s", "more", "lenet", {"batch": batch, "training": False},
                   about="28x28, two 5x5 convolutions, dense 1024")
    yield Work("lenet_training_100", "images/s", "more", "lenet", {"batch": 100, "training": True},
               about="the same with dropout, cross entropy and Adam")
    for batch in (1, 8):
        yield Work(f"resnet50_inference_{batch}", "images/s", "more", "resnet50", {"batch": batch, "training": False},
                   about="224x224")
    yield Work("resnet50_training_8", "images/s", "more", "resnet50", {"batch": 8, "training": True},
               about="224x224, batch norm in training mode, momentum")
    yield Work("lenet_memory", "MB", "less", "peak_memory", {"of": "lenet", "batch": 100, "training": True}, once=True,
               about="peak resident memory of a process that trains LeNet, batch 100")
    yield Work("resnet50_memory", "MB", "less", "peak_memory", {"of": "resnet50", "batch": 8, "training": True},
               once=True, about="peak resident memory of a process that trains ResNet-50, batch 8")


WORKS = {work.name: work for work in _table()}


def select(prefixes):
    """The works whose names begin with one of `prefixes`; all of them for none."""
    return [w for w in WORKS.values() if not prefixes or any(w.name.startswith(p) for p in prefixes)]
