from ._diagnostics import diagnose as diagnose
