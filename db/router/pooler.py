"""The configuration of the pgbouncer between the router and its nodes.

A node that hangs answers nobody and closes nothing, and PL/Proxy cannot even cancel then. pgbouncer
tries each connection before a transaction gets it, so the wait ends within query_wait_timeout. What
ran when the node stopped ends within query_timeout.
"""

from collections.abc import Sequence

from db.connection import parse_url
from db.router.install import LOGIN

_HEAD = """\
; Between the router and its nodes. Made by: gmail-sync router pooler
; The file of passwords needs this line: "{login}" "GMAIL_SYNC_ROUTER_PASSWORD"
[databases]
"""
_SETTINGS = """
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 40
ignore_startup_parameters = extra_float_digits, options
; A node that hangs costs its own users these times, and other users nothing.
server_connect_timeout = 2
server_login_retry = 1
; A view waits twice, because postgres_fdw opens another connection.
query_wait_timeout = 1.5
; Each connection is tried before a transaction gets it. Otherwise the transaction would wait until
; query_timeout for a node that hangs. An empty query costs the least.
server_check_delay = 0
server_check_query = ;
query_timeout = 32
tcp_user_timeout = 3000
"""


def configuration(urls: Sequence[str]) -> str:
    """pgbouncer.ini for nodes given as libpq URLs, node 0 first."""
    lines = []
    for number, url in enumerate(urls):
        place = parse_url(url)
        node = f"host={place['host']} port={place.get('port', 5432)} dbname={place['dbname']}"
        lines.append(f"node{number} = {node}")
    return _HEAD.format(login=LOGIN) + "\n".join(lines) + "\n" + _SETTINGS
