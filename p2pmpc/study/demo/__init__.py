"""``p2pmpc demo``: a whole study with made-up data.

:mod:`~p2pmpc.study.demo.command` tells the story, :mod:`~p2pmpc.study.demo.data` makes the study and its
tables up, :mod:`~p2pmpc.study.demo.running` runs the parties as processes, and these are forked from
:mod:`~p2pmpc.study.demo.parties`.
"""
