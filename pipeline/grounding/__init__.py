"""Grounding: a model's words are compared with those of a second, independent reader of the same page.

``reference`` is what that reader found, ``tokens`` cuts both sides into words, ``alignment`` finds which stand for
each other, ``check`` gives the reading its boxes and its support, ``bounds`` says how far a whole archive can be wrong.
Plain computation without a decoder or a model: a dense page takes some 10 ms.
"""
