"""Reply bytes to jobs or to an error: one module per API document, all of them pure.

Rule: this is the only place that knows JSON and the vendor's spellings. A field that is
absent, null, blank or of a wrong type is `None`; only the job's id and its status word are
needed. What no field holds stays in `Job.raw`.
"""
