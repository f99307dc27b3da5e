// SPDX-License-Identifier: Apache-2.0

// The OTLP receiver of the OpenTelemetry Collector, over HTTP. What it understood it writes as JSON, a line for each request.
// usage: otlp ADDRESS:PORT FILE [CERTIFICATE KEY]
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

// file is what several requests at once write lines to.
type file struct {
	mutex sync.Mutex
	out   *os.File
}

// add writes a line: the signal, the header `authorization` of the request, and the message.
func (f *file) add(ctx context.Context, signal string, message []byte, err error) error {
	if err != nil {
		return err
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	authorization := client.FromContext(ctx).Metadata.Get("authorization")
	_, err = fmt.Fprintf(f.out, "{\"signal\":%q,\"authorization\":%q,\"message\":%s}\n", signal, authorization, message)
	return err
}

func configOf(args []string) *otlpreceiver.Config {
	config := otlpreceiver.NewFactory().CreateDefaultConfig().(*otlpreceiver.Config)
	http := config.Protocols.HTTP.GetOrInsertDefault()
	http.ServerConfig.NetAddr.Endpoint = args[0]
	http.ServerConfig.IncludeMetadata = true
	if len(args) > 2 {
		tls := configtls.NewDefaultServerConfig()
		tls.CertFile, tls.KeyFile = args[2], args[3]
		http.ServerConfig.TLS = configoptional.Some(tls)
	}
	return config
}

func run(args []string) error {
	out, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	lines := &file{out: out}
	config, factory, ctx := configOf(args), otlpreceiver.NewFactory(), context.Background()
	settings := receivertest.NewNopSettings(factory.Type())

	traces, err := consumer.NewTraces(func(ctx context.Context, td ptrace.Traces) error {
		text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
		return lines.add(ctx, "traces", text, err)
	})
	if err != nil {
		return err
	}
	metrics, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		text, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(md)
		return lines.add(ctx, "metrics", text, err)
	})
	if err != nil {
		return err
	}
	logs, err := consumer.NewLogs(func(ctx context.Context, ld plog.Logs) error {
		text, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
		return lines.add(ctx, "logs", text, err)
	})
	if err != nil {
		return err
	}

	// One receiver under three names: the factory shares it by its configuration.
	var receiver component.Component
	if receiver, err = factory.CreateTraces(ctx, settings, config, traces); err != nil {
		return err
	}
	if _, err = factory.CreateMetrics(ctx, settings, config, metrics); err != nil {
		return err
	}
	if _, err = factory.CreateLogs(ctx, settings, config, logs); err != nil {
		return err
	}
	if err = receiver.Start(ctx, componenttest.NewNopHost()); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	return receiver.Shutdown(ctx)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
