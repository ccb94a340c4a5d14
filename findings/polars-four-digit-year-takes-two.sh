#!/bin/sh
# polars 2.1.0 (Python 3.11, Linux): `Series.str.to_date("%d-%b-%Y")` takes a year of two digits for one of the first century.
#
# "30-Nov-18", as SPSS (DATE9) and Excel (d-mmm-yy) show a day of 2018, is a valid date of another format. Whoever tries several formats
# on a column, four digits first, and keeps the first that leaves no null, as one does for csv files of unknown origin, expects null here:
# Python's strptime raises and pandas (errors="coerce") gives NaT for the same text and format. polars gives 0018-11-30, no null and
# no error, with strict=True too. Dates are then 2,000 years off, and yyyymmdd made from them are numbers of six digits.
#
# Seen: polars [datetime.date(18, 11, 30)], with strict=True too; strptime ValueError; pandas 2.3.3 [NaT].
# Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0 pandas==2.3.3
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import sys

import pandas as pd
import polars as pl

text, form = "30-Nov-18", "%d-%b-%Y"
strict = pl.Series([text]).str.to_date(form).to_list()
lenient = pl.Series([text]).str.to_date(form, strict=False).to_list()
in_pandas = pd.to_datetime(pd.Series([text]), format=form, errors="coerce").tolist()
try:
    in_python: object = datetime.datetime.strptime(text, form)
except ValueError as error:
    in_python = type(error).__name__
print("polars", pl.__version__, "strict:", strict, "not strict:", lenient)
print("pandas", pd.__version__, in_pandas, "Python", in_python)
as_seen = strict == lenient == [datetime.date(18, 11, 30)] and pd.isna(in_pandas[0]) and in_python == "ValueError"
sys.exit(0 if as_seen else 1)
PYTHON
