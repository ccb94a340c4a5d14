from ._diversity import diagnose as diagnose
