"""Where a worker's CPU goes while documents pass through the running gateway: ``make profile``.

``sampler`` looks at the threads of a worker, ``serve`` is ``vanthu serve`` whose workers (``worker``) carry one,
``report`` sums up what they saw, ``__main__`` sends the documents and prints it.
"""
