from ._cells import BLANKS_AROUND as BLANKS_AROUND, numbers_of as numbers_of, shown as shown
from ._container import name_of as name_of
from ._inverted import AMBIGUOUS_CODE as AMBIGUOUS_CODE, code_in_file as code_in_file
from ._microdata import Microdata as Microdata, Source as Source, read_microdata as read_microdata
