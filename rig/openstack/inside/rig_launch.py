"""Runs one process of a service in OpenStack's virtual environment: ``python rig_launch.py WHAT [PORT] [AWAITED...]``.

Importing takes most of a start, so everybody imports at once, and only then waits for the ports of the others.
"""

import importlib
import io
import socket
import sys
import threading
import time
from pathlib import Path

POLL_S = 0.1
RETRIES = 20


def await_ports(ports):
    """Wait until somebody listens on each port of 127.0.0.1."""
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(port)), 1).close()
                break
            except OSError:
                time.sleep(POLL_S)


def retry_when_locked():
    """Let the services retry where SQLite finds two writers at once, as they do at a deadlock of other databases."""
    from oslo_db import exception
    from oslo_db.sqlalchemy import exc_filters
    from sqlalchemy import exc

    @exc_filters.filters("sqlite", exc.OperationalError, r".*database is locked.*")
    def _locked(error, _match, _engine_name, _is_disconnect):
        raise exception.DBDeadlock(error)


def again_when_locked(application):
    """Serve a request again that met a locked database: Keystone has no retries of its own. Its requests are small."""
    from oslo_db import exception

    def serve(environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        for _ in range(RETRIES):
            try:
                return application(environ | {"wsgi.input": io.BytesIO(body)}, start_response)
            except exception.DBDeadlock:
                time.sleep(POLL_S)
        return application(environ | {"wsgi.input": io.BytesIO(body)}, start_response)

    return serve


def wsgi(module, port):
    """Serve the WSGI application of a module with waitress: it leaves kept connections alone."""
    import waitress

    retry_when_locked()
    application = importlib.import_module(module).application
    if module.startswith("keystone."):
        application = again_when_locked(application)
    waitress.serve(
        application,
        host="127.0.0.1",
        port=int(port),
        threads=8,
        max_request_body_size=1 << 40,
        channel_timeout=600,
        recv_bytes=1 << 20,
        clear_untrusted_proxy_headers=False,
    )


def neutron(module, port):
    """Neutron looks for its tables' models, with the attributes that they give each other, before it is asked."""
    importlib.import_module("neutron.db.migration.models.head")
    importlib.import_module("sqlalchemy.orm").configure_mappers()
    wsgi(module, port)


def neutron_tables():
    """Make Neutron's tables from its models: its migrations use what SQLite cannot do."""
    from neutron.db.migration.models import head
    from oslo_config import cfg
    from oslo_db import options
    from oslo_db.sqlalchemy import enginefacade

    options.set_defaults(cfg.CONF)
    cfg.CONF(sys.argv[1:], project="neutron")
    context = enginefacade.transaction_context()
    context.configure(sqlite_fk=False)
    head.get_metadata().create_all(context.writer.get_engine())


def cinder(config, *awaited):
    """Scheduler and volume manager in one process."""
    from cinder import monkey_patch

    monkey_patch.patch()
    retry_when_locked()
    from cinder import objects, service, version
    from cinder.common import config as _options  # noqa: F401 - it registers the options
    from oslo_config import cfg
    from oslo_log import log

    cfg.CONF.register_opt(cfg.StrOpt("backend_host"), group="files")
    objects.register_all()
    for module in ("cinder.volume.manager", "cinder.scheduler.manager", "rig_volumes"):  # while the broker starts
        importlib.import_module(module)
    cfg.CONF(["--config-file", config], project="cinder", version=version.version_string())
    log.setup(cfg.CONF, "cinder")
    await_ports(awaited)
    volume = service.Service.create(
        host=f"{cfg.CONF.host}@files", service_name="files", binary="cinder-volume", coordination=True
    )
    scheduler = service.Service.create(binary="cinder-scheduler")
    volume.start()  # first: the scheduler's start asks it for its capacity, and waits a minute for an answer
    scheduler.start()
    scheduler.wait()


def nova(config, *awaited):
    """Conductor and scheduler in one process."""
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    retry_when_locked()
    from nova import conf, objects, service
    from nova import config as options
    from nova.conductor import rpcapi as conductor
    from nova.scheduler import rpcapi as scheduler
    from oslo_log import log

    options.parse_args(["nova", "--config-file", config])
    log.setup(conf.CONF, "nova")
    objects.register_all()
    objects.Service.enable_min_version_cache()
    for module in ("nova.conductor.manager", "nova.scheduler.manager"):  # while the broker starts
        importlib.import_module(module)
    await_ports(awaited)
    for binary, topic in (("nova-conductor", conductor.RPC_TOPIC), ("nova-scheduler", scheduler.RPC_TOPIC)):
        service.Service.create(binary=binary, topic=topic).start()
    threading.Event().wait()


def compute(config, *awaited):
    """The compute service, as it is."""
    main = importlib.import_module("nova.cmd.compute").main
    importlib.import_module("nova.compute.manager")
    # Nova looks for drivers in this package alone
    importlib.import_module("nova.virt").__path__.append(str(Path(__file__).parent))
    importlib.import_module("nova.virt.rig_computes")
    await_ports(awaited)
    sys.argv = ["nova-compute", "--config-file", config]
    main()


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    sys.argv = [str(Path(__file__)), *words] if what == "neutron_tables" else [what]
    if what == "cinder_api":
        sys.argv = [what, "--config-file", words.pop()]
        what = "wsgi"
    globals()[what](*(() if what == "neutron_tables" else words))
