"""Progress of long work, shown to a person: notes, alarms and tasks that advance, whatever the work is.

Training, preparing, streaming, evaluating, comparing, galleries and label checks report here. A terminal or a notebook
shows bars; elsewhere, as in a log file, a task prints a line every 30 seconds.
"""

from condgen.progress.protocol import SILENT, Progress, Silent, Task, Values
from condgen.progress.shown import shown

__all__ = ["SILENT", "Progress", "Silent", "Task", "Values", "shown"]
