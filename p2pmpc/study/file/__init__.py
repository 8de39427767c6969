"""The study file: written from answers at a terminal, read from disk, and turned into a study.

:mod:`~p2pmpc.study.file.study_file` makes a :class:`~p2pmpc.study.model.Study` of a text, and
:mod:`~p2pmpc.study.file.statistic_tables` its statistics; both take keys one by one with
:mod:`~p2pmpc.study.file.parsing`, which says what is wrong on the line that
:mod:`~p2pmpc.study.file.places` finds. :mod:`~p2pmpc.study.file.reading` reads the text from disk, and
:mod:`~p2pmpc.study.file.questions` asks for it at a terminal.
"""
