// SPDX-License-Identifier: Apache-2.0
#include "verifier_log.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace perigee {
namespace {

constexpr size_t kReasonLines = 4;
constexpr size_t kSourceLines = 3;
// The reason stands at the end, so that is what a log beyond this keeps.
constexpr size_t kLogBytes = 1 << 20;

constexpr char kLogBegin[] = "-- BEGIN PROG LOAD LOG --";
constexpr char kLogEnd[] = "-- END PROG LOAD LOG --";

bool StartsWith(const std::string& line, const char* prefix) { return line.rfind(prefix, 0) == 0; }

bool IsStatistics(const std::string& line) {
  return line.empty() || StartsWith(line, "processed ") || StartsWith(line, "verification time ") ||
         StartsWith(line, "stack depth ") || StartsWith(line, "insns processed ");
}

// "12: (79) r1 = *(u64 *)(r6 +8)".
bool IsInstruction(const std::string& line) {
  const size_t colon = line.find(": (");
  return colon != std::string::npos && colon > 0 &&
         std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

// "; return ctx->port; @ connect.bpf.c:12". Code that the compiler made up has a place but no text.
bool IsSource(const std::string& line) { return StartsWith(line, "; "); }
bool IsEmptySource(const std::string& line) { return StartsWith(line, ";  @ "); }

// Register states ("12: R1=ctx() R10=fp0", "from 3 to 5: R0=0"), traces of precision marking: not for people.
bool IsState(const std::string& line) {
  return StartsWith(line, "mark_precise:") || StartsWith(line, "from ") ||
         line.find(": R") != std::string::npos;
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  return lines;
}

// The state that newer kernels append to an instruction.
std::string WithoutState(const std::string& line) {
  const size_t state = line.find(" ; ");
  std::string bare = line.substr(0, state);
  bare.erase(bare.find_last_not_of(' ') + 1);
  return bare;
}

// "prog 'connect4': …" gives connect4.
std::string QuotedName(const std::string& message, const char* prefix) {
  if (!StartsWith(message, prefix)) return "";
  const size_t begin = std::string(prefix).size();
  return message.substr(begin, message.find('\'', begin) - begin);
}

// Says again what the fault says.
bool IsSequel(const std::string& message) {
  return StartsWith(message, "failed to load object") ||
         message.find("': failed to load: ") != std::string::npos ||
         message.find("': BPF program load failed: ") != std::string::npos;
}

}  // namespace

std::vector<std::string> SummarizeVerifierLog(const std::string& log) {
  std::vector<std::string> lines = Split(log);
  while (!lines.empty() && IsStatistics(lines.back())) lines.pop_back();
  std::vector<std::string> summary;  // back to front
  size_t at = lines.size();
  while (at > 0 && !IsInstruction(lines[at - 1])) {
    at--;
    if (summary.size() < kReasonLines && !IsSource(lines[at]) && !IsState(lines[at]))
      summary.push_back(lines[at]);
  }
  if (at > 0) summary.push_back(WithoutState(lines[--at]));
  size_t sources = 0;
  std::string last;
  while (at > 0 && sources < kSourceLines) {
    const std::string& line = lines[--at];
    if (!IsSource(line) || IsEmptySource(line) || line == last) continue;
    summary.push_back(line);
    last = line;
    sources++;
  }
  std::reverse(summary.begin(), summary.end());
  return summary;
}

Fault LoadFault(int error, const std::string& path, const std::vector<std::string>& messages) {
  Fault fault;
  fault.code = "ERR_BPF_LOAD";
  fault.error = error;
  fault.operation = "load object";
  fault.object = path;
  for (const std::string& message : messages) {
    const std::string program = QuotedName(message, "prog '");
    if (!program.empty() && fault.operation == "load object") {
      fault.operation = "load program";
      fault.object = program + " of " + path;
    }
    const size_t begin = message.find(kLogBegin);
    if (begin == std::string::npos) {
      if (!IsSequel(message)) fault.warnings.push_back(message);
      continue;
    }
    const size_t text = message.find('\n', begin) + 1;
    const size_t end = message.rfind(kLogEnd);
    std::string log = message.substr(text, end == std::string::npos ? end : end - text);
    fault.verifier_summary = SummarizeVerifierLog(log);
    if (log.size() > kLogBytes) log.erase(0, log.size() - kLogBytes);
    fault.verifier_log = std::move(log);
  }
  if (fault.verifier_summary.empty() && !fault.warnings.empty()) fault.reason = fault.warnings.front();
  return fault;
}

}  // namespace perigee
