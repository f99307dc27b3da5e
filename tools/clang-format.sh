#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs clang-format with the given options over the C and C++ sources; each folder has its own .clang-format.
set -eu

find bpf native test -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.cpp' \) -print0 |
  xargs -0 -r clang-format --style=file --fallback-style=none "$@"
