"""A study and its result as people and programs read them.

In plain words: :mod:`~p2pmpc.study.report.explaining` before anything leaves a machine,
:mod:`~p2pmpc.study.report.asked` and :mod:`~p2pmpc.study.report.learned` in the report, and
:mod:`~p2pmpc.study.report.described` for both; :mod:`~p2pmpc.study.report.words` writes numbers and names.
:mod:`~p2pmpc.study.report.sections` lays the result out as grids of text with the
:mod:`~p2pmpc.study.report.remarks` on it; from these come the terminal's
:mod:`~p2pmpc.study.report.showing` and the HTML :mod:`~p2pmpc.study.report.page`. The page's plots are chosen in
:mod:`~p2pmpc.study.report.pictures`, drawn in :mod:`~p2pmpc.study.report.plots` with
:mod:`~p2pmpc.study.report.svg`, and coloured by :mod:`~p2pmpc.study.report.style`. For programs there are
:mod:`~p2pmpc.study.report.result_json` and :mod:`~p2pmpc.study.report.result_csv`.
"""
