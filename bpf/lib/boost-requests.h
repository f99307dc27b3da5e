// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_BOOST_REQUESTS_H
#define PERIGEE_LIB_BOOST_REQUESTS_H

#include "lib/boosted-stream.h"
#include "lib/requests.h"
#include "lib/responses.h"

/* HTTP policy on what a boosted client or server is about to send past TCP. */

#define WHOLE_REQUEST_BYTES 16384 /* longer ones take TCP */

/* One request, and nothing behind it. */
static long whole_turn(__u32 index, struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;

	if (scratch->position < scratch->length && scratch->heads && !frame->reader->remaining &&
	    frame->reader->phase == HTTP_HEAD) {
		scratch->status = HEAD_REJECTED;
		return 1;
	}
	return request_turn(index, frame);
}

/* Whether TCP's side stands before a request, and the server has read all of it. */
static __always_inline bool between_requests(const struct http_stream *stream,
					     const struct tcp_sock *server)
{
	const struct http_reader *reader = &stream->request;

	return !stream->refused && !stream->opaque && reader->phase == HTTP_HEAD &&
	       !reader->head_bytes && !reader->remaining && stream->next == server->rcv_nxt &&
	       server->rcv_nxt == server->copied_seq;
}

/*
 * Reads a message into the stream. False: it is not one whole request that policy allows, and
 * nothing has been read; TCP's side refuses what is to be refused.
 */
SUBPROGRAM int whole_request(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_stream *stream = frame->stream;
	struct http_reader *reader = &stream->request;
	__u64 epoch = stream->epoch, heads = stream->heads;
	__u32 requests = stream->requests;

	frame->reader = reader;
	scratch->saved = *reader;
	scratch_begin(scratch, 0, frame->message->size);
	scratch->status = HEAD_MORE;
	bpf_loop(TURNS, whole_turn, frame, 0);
	/* A thread may have been kept from going on for long: the table and the policy are still
	 * those. */
	if (scratch->status != HEAD_REJECTED && !scratch->overrun && scratch->heads == 1 &&
	    !stream->opaque && reader->phase == HTTP_HEAD && !reader->head_bytes &&
	    TABLE_WORD(frame->pool, reader->table, TABLE_SERIAL) == reader->serial &&
	    stream->epoch == inline_epoch()) {
		stream->request_bytes = scratch->length;
		stream->cuts = 0;
		return 1;
	}
	*reader = scratch->saved;
	stream->epoch = epoch;
	stream->requests = requests;
	stream->heads = heads;
	if (scratch->heads)
		stream->current = 0;
	return 0;
}

/*
 * Before a message of the client's takes either way: TCP's side may go on if nothing is on its way
 * past it. Called under the client's socket lock, so that sends follow on each other. Returns
 * whether nothing is.
 */
static __always_inline bool insertions_over(struct boosted_stream *boosted, __u64 cookie,
					    const struct tcp_sock *mine)
{
	__u32 inserting = boosted->inserting;

	if (!inserting)
		return true;
	/* Who sends again has returned from its call before. */
	if (inserting != (__u32)bpf_get_current_pid_tgid() && psock_holders(mine) != PSOCK_MINE)
		return false;
	if (!boosted_take(boosted, cookie))
		return false;
	boosted->inserting = 0;
	boosted_give(boosted);
	return true;
}

/* Of a message that could be redirected: enum boost_outcome, BOOST_REDIRECTED if policy lets it. */
static __always_inline __u32 boost_request(struct sk_msg_md *message, const struct tcp_sock *server,
					   struct boosted_stream *boosted, __u64 cookie, bool alone)
{
	struct http_frame frame = { .message = message, .stream = &boosted->stream };
	__u32 outcome = BOOST_STREAM_BUSY, size = message->size;

	/* In one piece: of several, Linux may insert the first and fail to find memory for others.
	 */
	if (size > WHOLE_REQUEST_BYTES || bpf_msg_pull_data(message, 0, size, 0))
		return BOOST_NOT_WHOLE;
	frame.pool = tables_get();
	frame.scratch = scratch_take();
	if (!frame.pool || !frame.scratch)
		return outcome;
	if (boosted_take(boosted, cookie)) {
		/* Before TCP's side is looked at: from now on it drops what would follow. */
		boosted->inserting = alone ? (__u32)bpf_get_current_pid_tgid() : INSERTING_MANY;
		if (between_requests(&boosted->stream, server))
			outcome = whole_request(&frame) ? BOOST_REDIRECTED : BOOST_NOT_WHOLE;
		if (outcome != BOOST_REDIRECTED && alone)
			boosted->inserting = 0;
		boosted_give(boosted);
	}
	scratch_give(frame.scratch);
	return outcome;
}

/* What the server is about to send past TCP. */
static __always_inline void boost_response(struct sk_msg_md *message,
					   struct boosted_stream *boosted)
{
	struct http_stream *stream = &boosted->stream;
	struct http_frame frame = { .message = message, .stream = stream };

	frame.reader = &stream->response;
	if (stream->opaque)
		return;
	frame.pool = tables_get();
	frame.scratch = scratch_take();
	if (!frame.pool || !frame.scratch) {
		response_lost(stream, &stream->response);
		return;
	}
	if (stream->response.phase == HTTP_UNTRACKED)
		response_resume(stream, &stream->response);
	if (stream->requests - stream->responses > 64)
		response_lost(stream, &stream->response);
	scratch_begin(frame.scratch, 0, message->size);
	response_read(&frame, message->size);
	scratch_give(frame.scratch);
}

#endif
