"""launch.py PACKAGE SCRIPT [ARGUMENT...]: runs an OpenStack program by the entry point its package declares.

Debian keeps the programs in packages that also bring users, units and debconf questions; the entry points are in the
python3-* packages, and the environment of cloud dst has the same ones. So one launcher serves both. The WSGI
applications (Keystone, Placement) take ADDRESS:PORT and a number of threads, and run in gunicorn.
"""
import os
import sys
from importlib import metadata

package, script, *arguments = sys.argv[1:]
# Python puts this file's directory first; a service must not find its neighbours there.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or '.') != os.path.dirname(os.path.abspath(__file__))]
entry = next(e for e in metadata.distribution(package).entry_points
             if e.name == script and e.group in ('console_scripts', 'wsgi_scripts'))

if entry.group == 'wsgi_scripts':
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        """One worker with threads: two clouds share two cores."""

        def load_config(self):
            bind, threads = arguments
            for key, value in {'bind': bind, 'threads': int(threads), 'workers': 1, 'worker_class': 'gthread',
                               'timeout': 300, 'keepalive': 5, 'proc_name': script}.items():
                self.cfg.set(key, value)

        def load(self):
            sys.argv = [script]     # the application parses it
            return entry.load()()

    sys.argv = [script]
    Application().run()
else:
    sys.argv = [script, *arguments]
    sys.exit(entry.load()())
