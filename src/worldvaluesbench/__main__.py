"""`python -m worldvaluesbench` is `wvb`."""

from worldvaluesbench.cli import main

main()
