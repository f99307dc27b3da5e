// SPDX-License-Identifier: Apache-2.0
import { type Answer, decode, type StringAnswer } from 'dns-packet';
import { isDnsName } from '../../core/dns-name.ts';
import { parseAddress } from '../../core/identity/address.ts';
import { addressBytes } from '../../core/identity/wire-address.ts';

/** What an answer says of the name that was asked for. */
export interface DnsAddresses {
  /** Lower case, without the last dot. */
  readonly name: string;
  /** 16 bytes each, IPv4 as ::ffff:a.b.c.d, as one string. */
  readonly addresses: readonly string[];
  /** Until the first of them is to be asked for again, s. */
  readonly ttl: number;
}

/** `malformed`: no message of DNS; `refused`: a name that no host has; `nothing`: no address for what was asked. */
export type DnsReading = DnsAddresses | 'malformed' | 'refused' | 'nothing';

const HEADER_BYTES = 12;
/** Where the header counts what stands behind the answers: nobody needs that. */
const AUTHORITY_COUNT = 8;
const MAX_RECORDS = 64;
const MAX_ADDRESSES = 32;
/** How many aliases lead to an address at most; resolvers give up at about so many. */
const MAX_ALIASES = 16;

const isAddress = (record: Answer): record is StringAnswer => record.type === 'A' || record.type === 'AAAA';

/** Names are compared without regard to case (RFC 4343). */
const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** The name that all aliases of the asked one lead to. */
function canonicalName(asked: string, records: readonly Answer[]): string {
  let name = asked;
  for (let steps = 0; steps < MAX_ALIASES; steps += 1) {
    const alias = records.find((record) => record.type === 'CNAME' && sameName(record.name, name));
    if (alias?.type !== 'CNAME') break;
    name = alias.data;
  }
  return name;
}

function addressKey(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : Buffer.from(addressBytes(address)).toString('latin1');
}

function decoded(message: Uint8Array): ReturnType<typeof decode> | undefined {
  const bytes = Buffer.from(message);
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(6) > MAX_RECORDS) return undefined;
  bytes.fill(0, AUTHORITY_COUNT, HEADER_BYTES);
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

/** Reads an answer as it came from the network. Costs what its bytes do: pointers lead backwards only, names end. */
export function readDnsAnswer(message: Uint8Array): DnsReading {
  const packet = decoded(message);
  const { questions: [question, ...others] = [], answers = [] } = packet ?? {};
  if (question === undefined || others.length > 0) return 'malformed';
  const name = question.name.toLowerCase();
  if (!isDnsName(name)) return 'refused';
  const canonical = canonicalName(question.name, answers);
  const records = answers.filter(isAddress).filter((record) => sameName(record.name, canonical));
  const keys = records.slice(0, MAX_ADDRESSES).map(({ data }) => addressKey(data));
  const addresses = keys.filter((key) => key !== undefined);
  if (addresses.length === 0) return 'nothing';
  return { name, addresses, ttl: Math.min(...records.map(({ ttl = 0 }) => ttl)) };
}
