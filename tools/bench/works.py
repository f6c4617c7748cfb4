"""What can be measured: one row per work."""
import kernels

BATCHES = (1, 8, 32)
SIZES = (64, 128, 224, 320, 448)
DEPTHS = (10, 20, 40, 80, 160)
THEMES = {"inference": "Networks: inference", "training": "Networks: training", "kernel": "Kernels, shape by shape",
          "input": "Input pipelines", "io": "Files", "graph": "Building and running graphs",
          "memory": "Memory and size", "growth": "Growth"}


class Work:
    """One thing to measure.

    Attributes
    ----------
    name, theme : str
    unit : str               of the figure
    better : "less" or "more"
    program, arguments       the function in worker programs
    once : bool              not worth repeating (sizes)
    alone : bool             too large to be kept by all subjects at once: their rounds are not interleaved
    seconds : float          least time of one measurement
    must, goal : float or None      the ratio to the best default peer that issue 3 asks for
    against : str or None           or to this subject
    series : (str, int) or None     what grows, and how large it is here
    """

    def __init__(self, name, theme, unit, better, program, arguments=None, about="", once=False, alone=False,
                 seconds=1.0, aim=(None, None, None), series=None):
        self.name, self.theme, self.unit, self.better = name, theme, unit, better
        self.program, self.arguments, self.about = program, arguments or {}, about
        self.once, self.alone, self.seconds, self.series = once, alone, seconds, series
        self.must, self.goal, self.against = aim if len(aim) == 3 else (*aim, None)


_AIMS = {
    "resnet50_inference_1": (1.3, 1.6), "resnet50_inference_8": (1.3, 1.6), "resnet50_training_8": (1.3, 1.6),
    "vgg16_inference_8": (2.5, 3.2), "vgg16_training_8": (1.8, 2.5),
    "inception3_inference_8": (1.3, 1.6), "inception3_training_8": (1.2, 1.6),
    "mobilenet_inference_8": (1.15, 1.5), "mobilenet_inference_1": (1.0, 1.3, "torch_frozen"),
    "mobilenet_training_8": (1.2, 1.6), "lenet_training_100": (1.6, 2.0), "lenet_inference_1": (3.0, 5.0),
}
_ABOUT = {
    "lenet": "28x28, two 5x5 convolutions, dense 1024; trained with dropout and Adam",
    "resnet50": "224x224, stride in the 3x3 convolution; trained with momentum",
    "vgg16": "224x224, biases, dropout; trained with momentum",
    "inception3": "299x299, slim's layers without the auxiliary head; trained with momentum",
    "mobilenet": "version 1, 224x224, relu6; trained with momentum",
}


def _networks():
    for name in ("resnet50", "vgg16", "inception3", "mobilenet", "lenet"):
        for training in (False, True):
            batches = BATCHES if name != "lenet" else (*BATCHES, 100)
            for batch in batches:
                theme = "training" if training else "inference"
                title = f"{name}_{theme}_{batch}"
                yield Work(title, theme, "images/s", "more", "network",
                           {"name": name, "batch": batch, "training": training}, _ABOUT[name],
                           alone=training and batch == 32 and name != "lenet", aim=_AIMS.get(title, (None, None)))


def _graphs():
    yield Work("import", "graph", "s", "less", "import_time",
               about="a new process imports the module; best of 3 a round")
    yield Work("build_10000", "graph", "s", "less", "build_nodes", {"count": 10000},
               about="10,000 additions put into a graph")
    aims = {1: (10.0, 20.0, "tensorflow"), 1000: (2.0, 3.0, "tensorflow")}
    for length in (1, 10, 100, 1000):
        yield Work(f"run_{length}", "graph", "us", "less", "run_overhead", {"length": length},
                   "Session.run of a chain of scalar additions, one feed, one fetch", seconds=0.5,
                   aim=aims.get(length, (None, None)))


def _input():
    about = ("small network of three convolutions, batch 32 of 128x128 crops of 160x160 JPEG files, flipped or not: "
             "input_fed feeds one batch, input_prefetched makes batches by a parallel map and prefetch, input_in_step "
             "by neither")
    for source in ("fed", "prefetched", "in_step"):
        yield Work(f"input_{source}", "input", "steps/s", "more", "input_training", {"source": source}, about,
                   seconds=2.0)
    yield Work("input_bound", "input", "steps/s", "more", "input_bound",
               about="what input_prefetched could reach: the threads by the processor time of a fed step and of "
                     "making a batch")


def _files():
    checkpoint = "Saver on 500 MB in 300 tensors, one prefix, files in the folder for temporary files"
    aim = (1.0, 1.5, "tensorflow")
    yield Work("io_save", "io", "MB/s", "more", "io_save", about=f"{checkpoint}; nobody waits for the disk", aim=aim)
    yield Work("io_save_durable", "io", "MB/s", "more", "io_save", {"durable": True},
               about=f"{checkpoint}; thalweg waits for the disk, TensorFlow cannot")
    yield Work("io_restore", "io", "MB/s", "more", "io_restore", about=checkpoint, aim=aim)
    yield Work("io_open", "io", "ms", "less", "io_open",
               about="NewCheckpointReader on 10,000 tensors, and the value of one")
    for what in ("write", "read"):
        yield Work(f"io_records_{what}", "io", "records/s", "more", f"io_records_{what}", aim=(2.0, 4.0, "tensorflow"),
                   about="a million TFRecords of 100 bytes by TFRecordWriter and tf_record_iterator")
    yield Work("io_parse_example", "io", "examples/s", "more", "io_parse_example",
               about="tf.parse_example of 10,000: an integer, eight floats, a string, up to 19 integers")
    yield Work("io_memory", "io", "MB", "less", "peak_memory", {"of": "io_save_and_restore", "program": None},
               once=True,
               about="peak resident memory of a process that makes the 500 MB, saves and restores them once")


def _memory():
    yield Work("install_size", "memory", "MB", "less", "install_size", once=True,
               about="files of the distributions and of all that they require, NumPy apart")
    for name, batch, training, aim in (("lenet", 100, True, (None, None)), ("resnet50", 8, True, (1.0, 1.43)),
                                       ("vgg16", 8, False, (1.0, 1.43))):
        yield Work(f"{name}_memory", "memory", "MB", "less", "peak_memory",
                   {"of": name, "batch": batch, "training": training}, once=True, aim=aim,
                   about="peak resident memory of a process that imports, builds, initializes and runs three steps: "
                         f"{'training' if training else 'inference'}, batch {batch}")


def _growth():
    def work(what, at, network, **arguments):
        return Work(f"growth_{what}_{at}", "growth", "ms", "less", "network",
                    {"name": network, "training": False, "per": "step", **arguments}, series=(what, at),
                    about=f"time of a step of {network}, inference, by {what}")
    for batch in (1, 2, 4, 8, 16, 32):
        yield work("batch", batch, "resnet50", batch=batch)
    for side in SIZES:
        yield work("side", side, "resnet50", batch=1, side=side)
    for depth in DEPTHS:
        yield work("depth", depth, "stack", batch=1, depth=depth)


def _kernels():
    seen = set()
    for kind in kernels.CLASSES:
        for name, (program, arguments) in kind.shapes.items():
            if name not in seen:
                seen.add(name)
                yield Work(f"kernel_{name}", "kernel", "ms", "less", "kernel", {"of": program, **arguments},
                           seconds=0.3)


_TABLES = (_graphs, _networks, _input, _files, _memory, _kernels, _growth)
WORKS = {work.name: work for table in _TABLES for work in table()}


def unknown(prefixes):
    """Those that are no work's name and that no name begins with."""
    return [p for p in prefixes if not any(name.startswith(p) for name in WORKS)]


def select(prefixes):
    """The works with one of these names, or that begin with it where no work has it; all of them for none."""
    return [w for w in WORKS.values() if not prefixes
            or any(w.name == p or (p not in WORKS and w.name.startswith(p)) for p in prefixes)]
