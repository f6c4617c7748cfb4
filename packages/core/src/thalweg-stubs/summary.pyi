"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.protos import Event as Event
from thalweg_io.summaries.file_writer import FileWriter as FileWriter
from thalweg_io.summaries.file_writer import FileWriterCache as FileWriterCache
from thalweg_io.protos import SessionLog as SessionLog
from thalweg_io.protos import Summary as Summary
from thalweg_io.protos import SummaryDescription as SummaryDescription
from thalweg_io.protos import TaggedRunMetadata as TaggedRunMetadata
from thalweg_io.summaries.builders import audio as audio
from thalweg_io.summaries.builders import get_summary_description as get_summary_description
from thalweg_io.summaries.builders import histogram as histogram
from thalweg_io.summaries.builders import image as image
from thalweg_io.summaries.builders import merge as merge
from thalweg_io.summaries.builders import merge_all as merge_all
from thalweg_io.summaries.builders import scalar as scalar
from thalweg_io.summaries.builders import tensor_summary as tensor_summary
from thalweg_io.summaries.builders import text as text
