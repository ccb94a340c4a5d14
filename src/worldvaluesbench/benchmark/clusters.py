"""Temporary: replaced when branches are merged."""

CLUSTERS = ("I_PSU", "N_REGION_WVS", "L_INTERVIEWER_NUMBER")


def read_clusters(dataset, name):  # type: ignore[no-untyped-def]
    raise NotImplementedError
