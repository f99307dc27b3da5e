// SPDX-License-Identifier: Apache-2.0

/** What a metrics endpoint (host:port) says, over a connection of its own: one that was kept may be closed by the server just then. */
export async function scrape(address: string): Promise<string> {
  const response = await fetch(`http://${address}/metrics`, { headers: { connection: 'close' } });
  return response.text();
}
