"""A plain request's own way: no task, no future, no walk; callbacks from the client's bytes to the client's bytes.

begin.py takes it, facts.py says which requests are plain, lane.py is one of them under way, handover.py gives it to the
full way (gateway/request, gateway/attempt) from wherever it stands. The judge decides in both.
"""
