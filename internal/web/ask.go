package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// The pages of health that a process serves.
const (
	Healthz = "/healthz" // whether its loops go on
	Readyz  = "/readyz"  // whether it does its work
)

const (
	askTimeout = 2 * time.Second // for a whole question
	maxReport  = 64 << 10        // bytes of an answer that are read
)

// Ask asks the process on this machine that listens as Options.Listen says for Healthz or Readyz. It returns nil when all is
// well, else an error of one line that says what is not; it takes two seconds at most.
func Ask(ctx context.Context, listen, page string) error {
	address, err := local(listen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+page, nil)
	if err != nil {
		return err
	}
	// A proxy that the environment names is no way to a process of this machine.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the process: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("http://%s%s answers %s%s", address, page, response.Status, reasons(response.Body))
}

// local is the address at which this machine's processes reach a listener: one on all interfaces is on the loopback one too.
func local(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), nil
}

// reasons are what a report says is wrong; empty for an answer that is none of ours.
func reasons(body io.Reader) string {
	var r telemetry.Report
	if err := json.NewDecoder(io.LimitReader(body, maxReport)).Decode(&r); err != nil || r.Status == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(": " + r.Status)
	for _, name := range slices.Sorted(maps.Keys(r.Checks)) {
		if c := r.Checks[name]; !c.OK {
			fmt.Fprintf(&b, "; %s %s", name, c.Why)
		}
	}
	return b.String()
}
