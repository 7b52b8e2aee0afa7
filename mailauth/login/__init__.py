"""The same credentials by each way in, layer by layer.

``site.look_at(dovecot)`` -> Site;  ``ways.ways(site, choice)`` -> tuple of Way;
``enter.attempt(way, user, password, site)`` -> Attempt;  ``enter.log_in(...)`` yields all of them in order;
``judge.judge(attempts)`` -> Judgement: which layer breaks.
"""
