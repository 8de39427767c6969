"""One peer of a study, from the commands to what is left of it.

:mod:`~p2pmpc.study.session.command` has ``init``, ``study new|show``, ``invite`` and ``join``, with
:mod:`~p2pmpc.study.session.options`; :mod:`~p2pmpc.study.session.invitation` is the one line that the parties
join with. :mod:`~p2pmpc.study.session.home` is what a party computes of its rows, and
:mod:`~p2pmpc.study.session.bringing` reads them. :mod:`~p2pmpc.study.session.seat` says what a study asks of
the session below and who may sit in it, :mod:`~p2pmpc.study.session.walk` goes from agreement through both
rounds to the result, and :mod:`~p2pmpc.study.session.running` does so as a process, whose progress
:mod:`~p2pmpc.study.session.telling` tells. :mod:`~p2pmpc.study.session.evidence` writes what is left and
verifies it again, with what each peer signs, :mod:`~p2pmpc.study.session.study_receipt`.
"""
