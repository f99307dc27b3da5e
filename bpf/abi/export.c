// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names every type that user space shares, so that one object's BTF describes
 * them all. Compiled for its types alone; never loaded.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "abi/reason.h"
#include "abi/policy.h"
#include "abi/workload.h"
#include "abi/connection.h"
#include "abi/flow.h"
#include "abi/sweep.h"
#include "abi/http.h"
#include "abi/grant.h"
#include "abi/boost.h"
#include "abi/service.h"
#include "abi/dns.h"

#define EXPORT(kind, name) kind name *abi_##name

EXPORT(enum, reason);
EXPORT(enum, direction);
EXPORT(enum, policy_action);
EXPORT(enum, policy_audit);
EXPORT(enum, verdict);
EXPORT(enum, workload_kind);
EXPORT(enum, workload_flag);
EXPORT(enum, flow_kind);
EXPORT(enum, flow_path);
EXPORT(enum, flow_closer);
EXPORT(enum, ring);
EXPORT(struct, policy_key);
EXPORT(struct, policy_verdict);
EXPORT(enum, address_flag);
EXPORT(struct, ipcache_key);
EXPORT(struct, ipcache_entry);
EXPORT(struct, verdict_count_key);
EXPORT(struct, workload_key);
EXPORT(struct, workload);
EXPORT(struct, pending_settings);
EXPORT(struct, name);
EXPORT(struct, datapath_settings);
EXPORT(struct, tuple_key);
EXPORT(struct, steering);
EXPORT(struct, announcement);
EXPORT(struct, ending);
EXPORT(struct, listener_key);
EXPORT(struct, flow_record);
EXPORT(struct, flow_detail);
EXPORT(enum, open_state);
EXPORT(struct, open_connection);
EXPORT(struct, refusal);
EXPORT(struct, inline_settings);
EXPORT(struct, request_count_key);
EXPORT(struct, socket_grant_key);
EXPORT(enum, http_method);
EXPORT(enum, boost_outcome);
EXPORT(enum, boost_look);
EXPORT(struct, boost_settings);
EXPORT(struct, boost_refusal_key);
EXPORT(struct, service_key);
EXPORT(struct, service);
EXPORT(struct, service_slot);
EXPORT(struct, backend);
EXPORT(struct, service_member);
EXPORT(struct, dns_answer);
EXPORT(enum, dns_outcome);
