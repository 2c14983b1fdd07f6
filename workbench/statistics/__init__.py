"""Statistics without a face in them: multiplicity, permutation p-values, bootstrap intervals, null models of maps.

Arrays in, arrays out; nothing here knows of networks, masks or expressions.
"""
