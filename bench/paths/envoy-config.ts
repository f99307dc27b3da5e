// SPDX-License-Identifier: Apache-2.0

/** Where Envoy listens and what it asks. */
export interface EnvoyEnds {
  readonly listen: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
}

interface Address {
  readonly address: string;
  readonly port: number;
}

const typed = (name: string, fields: object = {}): object => ({
  '@type': `type.googleapis.com/envoy.extensions.filters.${name}`,
  ...fields,
});
const socket = ({ address, port }: Address): object => ({ socket_address: { address, port_value: port } });

/** GET and POST of everything but /admin, as the other paths have it. */
const rule = {
  and_rules: {
    rules: [
      {
        or_rules: {
          rules: ['GET', 'POST'].map((method) => ({
            header: { name: ':method', string_match: { exact: method } },
          })),
        },
      },
      { url_path: { path: { prefix: '/' } } },
      { not_rule: { url_path: { path: { prefix: '/admin' } } } },
    ],
  },
};

/** Envoy's bootstrap: one HTTP/1.1 listener with the RBAC filter and one cluster. No access log, no admin port. */
export function envoyConfig({ listen, server }: EnvoyEnds): object {
  const rbac = {
    rules: { action: 'ALLOW', policies: { shop: { principals: [{ any: true }], permissions: [rule] } } },
  };
  const manager = typed('network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'shop',
    codec_type: 'HTTP1',
    generate_request_id: false,
    http_filters: [
      { name: 'envoy.filters.http.rbac', typed_config: typed('http.rbac.v3.RBAC', rbac) },
      { name: 'envoy.filters.http.router', typed_config: typed('http.router.v3.Router') },
    ],
    route_config: {
      name: 'all',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'server', timeout: '60s' } }],
        },
      ],
    },
  });
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  const limit = { max_connections: 8192, max_pending_requests: 8192, max_requests: 8192 };
  return {
    static_resources: {
      listeners: [{ name: 'shop', address: socket(listen), filter_chains: [{ filters: [filter] }] }],
      clusters: [
        {
          name: 'server',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [limit] },
          load_assignment: {
            cluster_name: 'server',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(server) } }] }],
          },
        },
      ],
    },
  };
}
