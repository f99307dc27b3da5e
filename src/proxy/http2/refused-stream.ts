// SPDX-License-Identifier: Apache-2.0
import { constants, type ServerHttp2Stream } from 'node:http2';
import { grpcStatusOf } from '../../core/http/grpc.ts';
import { refusalSentence } from '../../core/http/refusal.ts';

/** What the client was told. */
export interface StreamAnswer {
  readonly status: number;
  /** -1: it didn't ask by gRPC. */
  readonly grpcStatus: number;
  readonly bytes: number;
}

/** Answers a stream in the server's place: with a status and a line of text, or as gRPC does (Trailers-Only). */
export function answerRefused(
  stream: ServerHttp2Stream,
  status: number,
  reference: string,
  { isGrpc, method }: { readonly isGrpc: boolean; readonly method: string },
): StreamAnswer {
  const sentence = refusalSentence(status, reference);
  if (isGrpc) {
    const grpcStatus = grpcStatusOf(status);
    const headers = {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': String(grpcStatus),
      'grpc-message': sentence,
      'perigee-reference': reference,
    };
    stream.respond(headers, { endStream: true });
    end(stream);
    return { status: 200, grpcStatus, bytes: sentence.length };
  }
  const isHead = method === 'HEAD';
  const body = `${sentence}\n`;
  const headers = {
    ':status': status,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(body.length),
    'cache-control': 'no-store',
    'perigee-reference': reference,
  };
  stream.respond(headers, { endStream: isHead });
  if (!isHead) stream.end(body);
  end(stream);
  return { status, grpcStatus: -1, bytes: body.length };
}

/** Whatever else the client sends isn't wanted (RFC 9113 8.1). */
function end(stream: ServerHttp2Stream): void {
  stream.resume();
  stream.close(constants.NGHTTP2_NO_ERROR);
}
