-- The router's own: a node that is down must not make the service unready.
return (select r.schema_version from gmail_sync_route.router r);
