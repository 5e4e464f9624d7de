"""`python -m condgen.cli`."""

from condgen.cli import main

main()
