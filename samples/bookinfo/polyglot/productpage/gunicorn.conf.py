"""How gunicorn serves the product page: threads, so that connections are kept between requests."""

import os

chdir = os.path.dirname(__file__)
worker_class = "gthread"
threads = 16
# Requests under way when the process is asked to end.
graceful_timeout = 10
