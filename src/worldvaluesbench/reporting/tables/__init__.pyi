from ._board import board_of as board_of, own_means as own_means
from ._html import render_table_2 as render_table_2
from ._published import load_published as load_published
from ._report_tables import ReportTables as ReportTables
from ._writing import KIND as KIND, write_table_set as write_table_set
