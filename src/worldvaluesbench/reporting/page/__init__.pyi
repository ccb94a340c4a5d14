from ._card import render_card as render_card
from ._page import KIND as KIND, build_report as build_report, write_report as write_report
from ._templating import read_template as read_template, script_safe as script_safe
from ._wording import HUMAN as HUMAN
