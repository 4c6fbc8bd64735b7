// Command bench measures the whole program, and DuckDB beside it, on the same files with the same query.
//
//	bench            one core and two, gzip and plain files, in turn; prints a table
//	bench scaling    one slot and two; 1, 2 and 4 worker processes; 10 to 10,000 objects; 10 to 1,000,000 rows; reprise alone;
//	                 slots, workers, objects or rows after it are these parts alone
//	bench corpus     only makes the files
//
// It wants Linux (taskset), bin/reprise, and for DuckDB Node.js with npm. Nothing is written outside bin/bench and
// bin/duckdb. docs/performance.md tells what the figures mean.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

// settings are what can be set by variables of the environment, and what is derived.
type settings struct {
	runs    int    // RUNS: how often each is measured, in turn
	repeats int    // BENCH_REPEATS: how often the lines of the source are repeated; 30 are some 1.8 GB
	scale   int    // BENCH_SCALE_MB: uncompressed size of the corpus of scaling
	demo    int64  // bytes that the demo's generator makes, of which two fifths are JSON
	source  string // REPRISE_CORPUS: folder of real logs, made into the corpus where it is there
	program string // of reprise
	dir     string // for corpus, databases and results
	modules string // where npm puts DuckDB
}

func loadSettings() (settings, error) {
	s := settings{
		demo:    64 << 20,
		source:  cmp.Or(os.Getenv("REPRISE_CORPUS"), filepath.Join("..", "shared", "corpus")),
		program: filepath.Join("bin", "reprise"),
		dir:     filepath.Join("bin", "bench"),
		modules: filepath.Join("bin", "duckdb"),
	}
	for _, path := range []*string{&s.source, &s.program, &s.dir, &s.modules} {
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return s, err
		}
	}
	var errs []error
	for _, v := range []struct {
		to       *int
		name     string
		standard int
	}{{&s.runs, "RUNS", 5}, {&s.repeats, "BENCH_REPEATS", 30}, {&s.scale, "BENCH_SCALE_MB", 400}} {
		n, err := strconv.Atoi(cmp.Or(os.Getenv(v.name), strconv.Itoa(v.standard)))
		if err != nil || n < 1 {
			errs = append(errs, fmt.Errorf("%s: %q is no number from 1 on", v.name, os.Getenv(v.name)))
		}
		*v.to = n
	}
	return s, errors.Join(errs...)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s, err := loadSettings()
	if err != nil {
		return err
	}
	what := ""
	if len(args) > 0 {
		what = args[0]
	}
	switch what {
	case "":
		return compare(ctx, s)
	case "scaling":
		return scaling(ctx, s, args[1:])
	case "corpus":
		return makeCorpus(ctx, s)
	default:
		return fmt.Errorf("%q is not known; use scaling, corpus or nothing", what)
	}
}
