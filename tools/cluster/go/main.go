// SPDX-License-Identifier: Apache-2.0

// Helper of the test cluster's nodes. As `pause` it is the first process of every pod; as anything else it is runc,
// which it starts after taking out of the container's configuration what a root without CAP_SYS_RESOURCE can't grant.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const runc = "/usr/sbin/runc"

var limits = map[string]int{
	"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5,
	"RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9,
}

// The value of an option, in either of its two forms.
func option(arguments []string, names ...string) string {
	for index, argument := range arguments {
		for _, name := range names {
			if argument == name && index+1 < len(arguments) {
				return arguments[index+1]
			}
			if value, found := strings.CutPrefix(argument, name+"="); found {
				return value
			}
		}
	}
	return ""
}

func dropCapability(process map[string]any) {
	sets, _ := process["capabilities"].(map[string]any)
	for set, value := range sets {
		list, _ := value.([]any)
		sets[set] = slices.DeleteFunc(list, func(name any) bool { return name == "CAP_SYS_RESOURCE" })
	}
}

// No limit above the one that this process has itself.
func lowerLimits(process map[string]any) {
	list, _ := process["rlimits"].([]any)
	for _, entry := range list {
		limit, _ := entry.(map[string]any)
		name, _ := limit["type"].(string)
		number, known := limits[name]
		var own syscall.Rlimit
		if !known || syscall.Getrlimit(number, &own) != nil {
			continue
		}
		for _, bound := range []string{"hard", "soft"} {
			text, _ := limit[bound].(json.Number)
			if value, err := strconv.ParseUint(text.String(), 10, 64); err == nil && value > own.Max {
				limit[bound] = own.Max
			}
		}
	}
}

// Not less likely to be killed for want of memory than this process.
func raiseScore(process map[string]any) {
	text, ok := process["oomScoreAdj"].(json.Number)
	if !ok {
		return
	}
	own, _ := os.ReadFile("/proc/self/oom_score_adj")
	least, _ := strconv.ParseInt(strings.TrimSpace(string(own)), 10, 64)
	if value, err := text.Int64(); err == nil && value < least {
		process["oomScoreAdj"] = least
	}
}

// Rewrites a process description: the whole file, or its field "process".
func rewrite(file string, field string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		return err
	}
	process := content
	if field != "" {
		process, _ = content[field].(map[string]any)
	}
	if process == nil {
		return nil
	}
	dropCapability(process)
	lowerLimits(process)
	raiseScore(process)
	text, err = json.Marshal(content)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func prepare(arguments []string) error {
	for _, argument := range arguments {
		switch argument {
		case "create", "run", "restore":
			return rewrite(filepath.Join(option(arguments, "--bundle", "-b"), "config.json"), "process")
		case "exec":
			if file := option(arguments, "--process", "-p"); file != "" {
				return rewrite(file, "")
			}
			return nil
		}
	}
	return nil
}

// Holds the namespaces of a pod until it is told to end. Children that lost their parent are reaped by the kernel.
func pause() {
	signal.Ignore(syscall.SIGCHLD)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "pause" {
		pause()
		return
	}
	err := prepare(os.Args[1:])
	if err == nil {
		err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintf(os.Stderr, "starting %s: %v\n", runc, err)
	os.Exit(127)
}
