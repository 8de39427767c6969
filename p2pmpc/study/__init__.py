"""Joint studies: from each party's table to one answer, without the tables meeting.

A study file says what is asked (:mod:`~p2pmpc.study.model`, :mod:`~p2pmpc.study.kinds`). From it follows a
plan: which sums each party computes at home, and where each stands in the vectors of two rounds
(:mod:`~p2pmpc.study.plan`). The first round opens how many rows each group has; what is too small is left out
of the second (:mod:`~p2pmpc.study.disclosure`), whose totals become the answers
(:mod:`~p2pmpc.study.answers`).

That much is arithmetic, and stands in this folder. Around it are the study file
(:mod:`~p2pmpc.study.file`), each party's rows (:mod:`~p2pmpc.study.data`), a peer that takes part
(:mod:`~p2pmpc.study.session`), the result as people and programs read it (:mod:`~p2pmpc.study.report`), and
``p2pmpc demo`` (:mod:`~p2pmpc.study.demo`).
"""
