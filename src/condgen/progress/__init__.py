"""Progress of long work for people: notes, alarms, and tasks that advance.

Training, preparation, streaming, evaluation, comparisons, galleries and label checks report here. A terminal or a
notebook shows bars. Elsewhere, as in a log file, a task prints a line every 30 seconds. A program
may ask for lines of JSON.
"""

from condgen.progress.protocol import SILENT, Progress, Silent, Task, Values
from condgen.progress.shown import shown

__all__ = ["SILENT", "Progress", "Silent", "Task", "Values", "shown"]
