package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cost is what one run took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory
	start     time.Duration
}

// site is a folder with a configuration and the databases of one replay.
type site struct {
	program   string
	dir       string
	protocols []string
}

// query is what is counted in a protocol. Its columns are those that DuckDB gives.
const query = `
  %s:
    format: json
    timestamp: ts
    stats:
      %s:
        by: [%s]
        measures: {lines: count, bytes: sum(@bytes), first: min(ts), last: max(ts)}
`

const statistic = "q1"

// newSite makes a folder of its own below dir; by are the dimensions. Its owner removes it.
func newSite(s settings, archive string, protocols []string, slots int, by string) (site, error) {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return site{}, err
	}
	dir, err := os.MkdirTemp(s.dir, "replay-")
	if err != nil {
		return site{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "backend: local\nlocal: {dir: %q, archive: %q}\narchive: {prefix: \"\", layout: \"{protocol}-{rest}\"}\n", filepath.Join(dir, "state"), archive)
	fmt.Fprintf(&b, "live: none\nworker: {slots: %d}\nprotocols:\n", slots)
	for _, p := range protocols {
		fmt.Fprintf(&b, query, p, statistic, by)
	}
	r := site{program: s.program, dir: dir, protocols: protocols}
	return r, os.WriteFile(r.config(), []byte(b.String()), 0o644)
}

func (r site) config() string { return filepath.Join(r.dir, "reprise.yaml") }

func (r site) remove() error { return os.RemoveAll(r.dir) }

// replay starts a replay and works it off: two processes, one after the other.
func (r site) replay(ctx context.Context, cpus, cutoff string) (cost, error) {
	start := []string{"start"}
	if cutoff != "" {
		start = append(start, "--cutoff", cutoff)
	}
	first, err := r.time(ctx, cpus, start...)
	if err != nil {
		return cost{}, err
	}
	second, err := r.time(ctx, cpus, "run", "--once")
	return cost{
		wall: first.wall + second.wall, cpu: first.cpu + second.cpu, peak: max(first.peak, second.peak), start: first.wall,
	}, err
}

// time runs one command of the program to its end.
func (r site) time(ctx context.Context, cpus string, args ...string) (cost, error) {
	cmd := r.command(ctx, cpus, args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("running reprise %s: %w\n%s", strings.Join(args, " "), err, complaints.Bytes())
	}
	c := costOf(cmd)
	c.wall = time.Since(began)
	return c, nil
}

// command is the program on these processors only, with no settings but those of the file.
func (r site) command(ctx context.Context, cpus string, args ...string) *exec.Cmd {
	args = slices.Concat([]string{"-c", cpus, r.program, "--config", r.config(), "--log-level", "error"}, args)
	cmd := command(ctx, "taskset", args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "REPRISE_") })
	return cmd
}

// costOf reads what a process that has ended took. The peak is at least that of this process, some 10 MiB: Linux hands
// it down.
func costOf(cmd *exec.Cmd) cost {
	c := cost{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = u.Maxrss << 10
	}
	return c
}

// rows reads the result, in DuckDB's columns: path, hour, port, lines, bytes, first, last.
func (r site) rows(ctx context.Context) ([][]string, error) {
	var all [][]string
	for _, p := range r.protocols {
		text, err := r.command(ctx, allCPUs(), "stats", p, statistic, "--csv").Output()
		if err != nil {
			return nil, fmt.Errorf("reading the rows of %s: %w", p, err)
		}
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			return nil, fmt.Errorf("reading the rows of %s: %w", p, err)
		}
		for _, row := range rows[1:] {
			if len(row) != 7 || len(row[1]) < len(hourLayout) {
				return nil, fmt.Errorf("reading the rows of %s: %q is not of the query", p, row)
			}
			row[1] = row[1][:len(hourLayout)]
			all = append(all, row)
		}
	}
	return all, nil
}

// cpuList names the last n processors, as taskset wants it: the first has most of the interrupts.
func cpuList(n, of int) (string, error) {
	if n > of {
		return "", errors.New("this machine has too few processors")
	}
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(of - n + i)
	}
	return strings.Join(names, ","), nil
}
