"""A program in condgen's place, for tests of jobs: it says what it is told, and ends as it is told.

say LINE …       writes lines to standard error
print TEXT       writes the result
wait FILE        makes the file, then waits. Ctrl-C makes FILE.saved and ends with 130
deaf FILE        the same without an ear for Ctrl-C
slow FILE        the same, but it takes seconds to make FILE.saved, and says so meanwhile
end STATUS
"""

import shutil
import signal
import sys
import time
from pathlib import Path

ORDERS = ("say", "print", "wait", "deaf", "slow", "copy", "end")


def main(words: list[str]) -> int:
    order, rest = "", list(words)
    while rest:
        word = rest.pop(0)
        if word in ORDERS:
            order = word
        elif order == "say":
            print(word, file=sys.stderr, flush=True)
        elif order == "print":
            print(word)
        elif order == "copy":
            shutil.copytree(word, rest.pop(0))
        elif order == "end":
            return int(word)
        elif order in ("wait", "deaf", "slow"):
            if order == "deaf":
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            Path(word).touch()
            try:
                time.sleep(600)
            except KeyboardInterrupt:
                for _ in range(25 if order == "slow" else 0):
                    time.sleep(0.1)
                    print("saving", file=sys.stderr, flush=True)
                Path(f"{word}.saved").touch()
                return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
